//! The generated records of a load test, one after the other, as they are sent.
//! Refuses to make any: that is the generator's.

use super::logs::{Game, Generator};
use super::logs_terms::LogTerms;
use super::send::{KafkaSender, Outgoing, now};
use kernel::Instant;

/// Microseconds that a backlog covers: within the lateness of a week that its campaigns allow.
const SPAN_US: i64 = 5 * 86_400_000_000;

/// Records, one after the other.
pub struct Records {
    generator: Generator,
    next: u64,
    value: Vec<u8>,
}

impl Records {
    /// From the first one on. A backlog of the terms' records ends now.
    pub fn new(terms: &LogTerms) -> Records {
        let generator = Generator::new(terms.seed, terms.players, terms.records, now().plus_us(-SPAN_US));
        Records { generator: generator.over_us(terms.records, SPAN_US.unsigned_abs()), next: 0, value: Vec::new() }
    }

    /// The items of a game's records, for collections of five.
    pub fn items(game: &str) -> Vec<String> {
        let of = Game::ALL.into_iter().find(|known| known.name() == game);
        of.map_or(&[][..], Game::items).iter().take(5).map(|item| (*item).to_owned()).collect()
    }

    /// Hands out the next record: game, key, text and the time at which a log takes it. One of a backlog happened in the days before
    /// now; another happens now.
    pub fn next(&mut self, is_backlog: bool, take: impl FnOnce(&'static str, &[u8], &[u8], Instant)) {
        self.value.clear();
        let meta = match is_backlog {
            true => self.generator.record(self.next, &mut self.value),
            false => self.generator.record_at(self.next, now(), &mut self.value),
        };
        self.next += 1;
        take(meta.game.name(), meta.key.as_bytes(), &self.value, meta.appended_at);
    }

    /// Sends the next record to its game's topic, those of a backlog with the time at which a log took them; answers its size.
    ///
    /// # Errors
    /// The client refuses it.
    pub fn send_next(&mut self, sender: &KafkaSender, topics: &[String], is_backlog: bool) -> Result<usize, String> {
        let mut sent = Ok(0);
        self.next(is_backlog, |game, key, value, at| {
            let topic = &topics[place(game)];
            let at_ms = is_backlog.then_some(at.0 / 1_000);
            sent = sender.send(Outgoing { topic, key, value, at_ms }).map(|()| value.len());
        });
        sent
    }
}

/// A game's place among those of the generator.
pub fn place(game: &str) -> usize {
    Game::ALL.iter().position(|known| known.name() == game).unwrap_or_default()
}
