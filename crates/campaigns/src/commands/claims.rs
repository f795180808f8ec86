//! Claims: each achievement is granted once, with points, products, fulfilments and budgets in one transaction.
//! Claims that nobody asks for are made by a worker through the same command.

use super::{claims_rows, claims_write};
use crate::decide::claims::{self, Ask, Ids};
use crate::model::{ClaimedBy, GoalClaims, Key};
use crate::versions::Versions;
use crate::{Campaigns, Live};
use db::{Command, Error, Meta, Statement, Tx, row};
use kernel::{ClaimId, Code, Currency, FulfilmentId, GameId, Instant, Outcome, Refusal, UserId};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A claim is sent again so often when the player's link changes under it.
const TRIES_MAX: usize = 3;
/// Claims that one round of the worker makes.
pub const AUTO_MAX: i64 = 500;

static DUE: Statement = Statement::new(
    "campaigns.auto_due",
    "select game, player, number, lineage, goal, period, n
     from achievement
     where auto_at <= $1
     order by auto_at
     limit $2",
);

/// The command that claims. Keys are kept for those who ask; the worker's claims guard themselves, as all claims do.
pub struct Claim<const ASKED: bool> {
    pub(crate) live: Live,
    pub(crate) versions: Versions,
    pub(crate) currency: Currency,
}

struct Fresh;

impl Ids for Fresh {
    fn claim(&mut self) -> ClaimId {
        ClaimId::new()
    }

    fn fulfilment(&mut self) -> FulfilmentId {
        FulfilmentId::new()
    }
}

impl<const ASKED: bool> Command for Claim<ASKED> {
    const NAME: &'static str = if ASKED { "campaigns.claim" } else { "campaigns.auto_claim" };
    const KEYED: bool = ASKED;
    type Input = Ask;
    type Reply = GoalClaims;

    /// All claims of a campaign lock its budgets: those that wait go together.
    fn lane(&self, input: &Ask) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (&input.game, input.number).hash(&mut hasher);
        Some(hasher.finish())
    }

    fn gates(&self, input: &Ask, gates: &mut BTreeSet<UserId>) {
        gates.extend(input.user);
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<GoalClaims>>, Error> {
        let attributes = |game: &GameId| {
            let live = self.live.game(game);
            live.and_then(|live| live.mapping.as_ref().map(|mapping| mapping.attributes().to_vec())).unwrap_or_default()
        };
        let mut state = claims_rows::load(tx, batch, &self.versions, attributes, self.currency).await?;
        let outcomes = batch.iter().map(|ask| claims::claim(&mut state, ask, self.currency, &mut Fresh, now)).collect();
        db::crash::point("campaigns.before_claims_are_written");
        claims_write::write(tx, &state).await?;
        Ok(outcomes)
    }
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The game.
    pub game: GameId,
    /// The game's name for the player.
    pub player: String,
    /// The campaign.
    pub campaign: String,
    /// The goal.
    pub goal: String,
    /// Only this period.
    pub period: Option<i64>,
    /// Only this tier or repeat.
    pub n: Option<i64>,
}

impl Campaigns {
    /// Claims what a goal has brought a player. Repeating it returns what was granted the first time, whatever account is linked by then.
    ///
    /// # Errors
    /// There is no such campaign or goal, it is not reached, or nothing of it can be granted now.
    pub async fn claim(&self, meta: Meta, wanted: Wanted, by: ClaimedBy) -> Result<GoalClaims, Error> {
        let (number, places) = self.places(&wanted.game, &wanted.campaign, &wanted.goal).await?;
        let Wanted { game, player, goal, period, n, .. } = wanted;
        let mut ask = Ask { game, player, number, places, goal, period, n, user: None, by };
        for attempt in 1.. {
            ask.user = self.linked(&ask.game, &ask.player).await?;
            match self.inner.claims.send(meta.clone(), ask.clone()).await {
                Err(Error::Refused(refusal)) if refusal == claims::moved() && attempt < TRIES_MAX => {}
                answer => return answer,
            }
        }
        unreachable!("the last try returns its answer")
    }

    /// The account a player is linked to.
    ///
    /// # Errors
    /// The database fails.
    pub async fn linked(&self, game: &GameId, player: &str) -> Result<Option<UserId>, Error> {
        self.inner.accounts_of.ask((game.clone(), player.to_owned())).await
    }

    /// Grants what comes by itself: one round of the worker. Returns how many claims were tried; [`AUTO_MAX`] means that more may be due.
    ///
    /// # Errors
    /// The database fails; what was not granted is due in the next round.
    pub async fn claim_due(&self) -> Result<usize, Error> {
        let due = self.inner.db.fetch(&DUE, &row![self.inner.db.now(), AUTO_MAX], claims_rows::key).await?;
        let tried = due.len();
        let mut under_way = Vec::with_capacity(tried);
        for key in due {
            under_way.push(self.claim_by_itself(key));
        }
        for outcome in futures::future::join_all(under_way).await {
            match outcome {
                // Refused is decided: it is tried again later, or was granted by somebody else.
                Ok(_) | Err(Error::Refused(Refusal { code: Code::Overloaded, .. })) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tried)
    }

    async fn claim_by_itself(&self, key: Key) -> Result<GoalClaims, Error> {
        let user = self.linked(&key.game, &key.player).await?;
        let ask = Ask {
            game: key.game,
            player: key.player,
            number: key.number,
            places: [(key.lineage, key.goal)].into(),
            goal: key.goal.to_string(),
            period: Some(key.period),
            n: Some(key.n),
            user,
            by: ClaimedBy::Auto,
        };
        self.inner.auto_claims.send(Meta::ours("auto claim"), ask).await
    }
}
