//! What goes on beside the workers: following games and topics, handing partitions out, applying controls, replaying dead letters.
//! Refuses to step records: it starts those who do.

use crate::Inner;
use crate::checkpoint::controls::{Applied, Waiting};
use crate::letters::replay;
use crate::partitions::Place;
use crate::source::{Source, embedded};
use campaigns::LiveGame;
use db::{Error, Meta};
use kernel::GameId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Games, mappings, campaigns and controls are looked at this often: a change is in force within a second everywhere.
const LOOK: Duration = Duration::from_millis(200);
/// Dead letters that wait for their replay are looked at this often.
const REPLAY_LOOK: Duration = Duration::from_secs(1);
/// Embedded topics are made for games that have none this often.
const TOPIC_LOOK: Duration = Duration::from_secs(1);

/// How long records wait is told this often, however long the rounds beside it take.
const DELAY_LOOK: Duration = Duration::from_millis(500);

/// Tends until the stream stops.
pub(crate) async fn tend(inner: Arc<Inner>) {
    let delays = async {
        while !inner.is_stopping() {
            inner.workers.tell_delays();
            inner.sleep(DELAY_LOOK).await;
        }
    };
    tokio::join!(rounds(&inner), delays);
}

async fn rounds(inner: &Arc<Inner>) {
    let mut seen: BTreeSet<(GameId, String)> = BTreeSet::new();
    let (mut replayed, mut topics) = (None::<Instant>, None::<Instant>);
    while !inner.is_stopping() {
        let due = |last: &Option<Instant>, every: Duration| last.is_none_or(|last| last.elapsed() >= every);
        let with_topics = due(&topics, TOPIC_LOOK);
        if let Err(error) = round(inner, &mut seen, with_topics).await {
            tracing::warn!(%error, "the stream's look at games and controls failed; the next one tries again");
        }
        if with_topics {
            topics = Some(Instant::now());
        }
        if due(&replayed, REPLAY_LOOK) {
            if let Err(error) = replay::round(inner).await {
                tracing::warn!(%error, "a replay of dead letters failed; the next round tries again");
            }
            replayed = Some(Instant::now());
        }
        inner.sleep(LOOK).await;
    }
}

async fn round(inner: &Arc<Inner>, seen: &mut BTreeSet<(GameId, String)>, with_topics: bool) -> Result<(), Error> {
    inner.live.refresh().await?;
    let games: Vec<GameId> = inner.live.games().values().filter(|live| live.mapper.is_some()).map(|live| live.game.clone()).collect();
    match (&inner.source, &inner.member) {
        (Source::Kafka(_), Some(member)) => member.subscribe(games.iter().map(|game| inner.options.topic(game)).collect()),
        (Source::Embedded(broker), _) => give_out(inner, broker, &games, with_topics).await,
        (Source::Kafka(_), None) => {}
    }
    controls(inner, seen).await
}

/// All partitions of the embedded log are this process's.
async fn give_out(inner: &Inner, broker: &broker::Broker, games: &[GameId], with_topics: bool) {
    for game in games {
        let topic = inner.options.topic(game);
        if with_topics && let Err(error) = make_topic(inner, broker, &topic).await {
            tracing::warn!(topic, %error, "a game's topic cannot be made");
        }
        let partitions = broker.topic(&topic).map_or(0, |topic| i32::try_from(topic.partitions).unwrap_or(i32::MAX));
        for place in (0..partitions).map(|partition| Place::new(&topic, partition)).filter(|place| !inner.workers.has(place)) {
            match embedded::Reader::open(broker, &topic, place.partition) {
                Ok(log) => inner.workers.start(&place, game, Box::new(log)),
                Err(error) => tracing::warn!(%place, %error, "a partition cannot be read"),
            }
        }
    }
}

async fn make_topic(inner: &Inner, broker: &broker::Broker, topic: &str) -> Result<(), broker::Error> {
    if broker.topic(topic).is_some() {
        return Ok(());
    }
    match broker.create_topic(topic, inner.options.partitions).await {
        Ok(_) | Err(broker::Error::TopicExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Inner {
    /// What is in force in a game whose lines come. A mapping that was saved a moment ago is known, and has its topic, from here on.
    pub(crate) async fn receiving(&self, game: &GameId) -> Result<Option<Arc<LiveGame>>, Error> {
        let known = self.live.game(game).filter(|live| live.mapper.is_some());
        let live = match known {
            Some(live) => Some(live),
            None => self.live.reload(game).await?.filter(|live| live.mapper.is_some()),
        };
        if let (Source::Embedded(broker), Some(_)) = (&self.source, &live)
            && let Err(error) = make_topic(self, broker, &self.options.topic(game)).await
        {
            // Appending tells who sent the lines.
            tracing::warn!(%game, %error, "a game's topic cannot be made");
        }
        Ok(live)
    }
}

/// Workers first forget whom a control concerns; in the next round, when all processes had time to, it is applied.
async fn controls(inner: &Inner, seen: &mut BTreeSet<(GameId, String)>) -> Result<(), Error> {
    let waiting: BTreeMap<GameId, Vec<String>> = campaigns::waiting_controls(&inner.db).await?;
    let mut now_seen = BTreeSet::new();
    for (game, players) in waiting {
        inner.workers.evict(&game, &players);
        let Some(live) = inner.live.game(&game) else { continue };
        let (ready, fresh): (Vec<String>, Vec<String>) =
            players.into_iter().partition(|player| seen.contains(&(game.clone(), player.clone())));
        now_seen.extend(fresh.into_iter().map(|player| (game.clone(), player)));
        if ready.is_empty() {
            continue;
        }
        // A process that writes alone has told all workers there are: nothing is left in its way.
        inner.workers.evict(&game, &ready);
        match inner.apply.send(Meta::ours("stream.controls"), Waiting { live, players: ready.clone() }).await? {
            Applied::Controls(count) => tracing::debug!(%game, count, "controls were applied"),
            Applied::PlanMoved => now_seen.extend(ready.into_iter().map(|player| (game.clone(), player))),
            Applied::Unreadable => {
                tracing::error!(%game, "controls wait: the state of one of their players cannot be read by this program")
            }
        }
    }
    *seen = now_seen;
    Ok(())
}
