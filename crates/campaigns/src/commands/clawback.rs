//! Clawbacks: what a purchase earned is taken back when the purchase is refunded, where the campaign says so.
//! A purchase is known by its record in the game's log, whose id is the payment's.

use super::controls::REASON_MAX;
use super::{claims_rows, claims_write};
use crate::Campaigns;
use crate::checkpoint::CHUNK_ROWS;
use crate::decide::clawback::{State, claw_back};
use crate::model::{Claim, FulfilmentState, Granted, Key};
use db::{Act, Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{ClaimId, FulfilmentId, Instant, Outcome, PaymentId, ProductId, Refusal, UserId, text};
use std::collections::BTreeSet;

/// The topic of items that were handed out and are to be taken back by the game team.
pub const TAKE_BACK_TOPIC: &str = "fulfilment.clawed_back";

static FIND: Statement = Statement::new(
    "campaigns.find_causes",
    "select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n, a.version, c.user_id
     from rows r join achievement a on a.cause = r.cause and a.cause <> 0
     left join claim c on c.game = a.game and c.player = a.player and c.number = a.number and c.lineage = a.lineage
       and c.goal = a.goal and c.period = a.period and c.n = a.n
     where c.state is null or c.state = 'granted'",
)
.rows(&[("cause", Column::Int)]);

static LOCK: Statement = Statement::new(
    "campaigns.lock_achievements",
    "select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n
     from rows r join achievement a
       on a.game = r.game and a.player = r.player and a.number = r.number and a.lineage = r.lineage and a.goal = r.goal
      and a.period = r.period and a.n = r.n
     order by a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n {for update of a}",
)
.rows(claims_rows::KEY)
.locks(Rank::Claims);

static FULFILMENTS: Statement = Statement::new(
    "campaigns.load_fulfilments_of_claims",
    "select f.id, f.state
     from rows r join fulfilment f on f.claim = r.claim
     order by f.id {for update of f}",
)
.rows(&[("claim", Column::Bytes)])
.locks(Rank::Claims);

static CLAW_BACK: Statement = Statement::new(
    "campaigns.claw_back_claims",
    "update claim set state = 'clawed_back', clawed_back_at = r.at
     from rows r
     where claim.id = r.id and claim.state = 'granted'",
)
.rows(&[("id", Column::Bytes), ("at", Column::Int)]);

static TAKE_BACK: Statement = Statement::new(
    "campaigns.take_back_rewards",
    "update claim_reward set taken_back = r.taken_back
     from rows r
     where claim_reward.claim = r.claim and claim_reward.place = r.place",
)
.rows(&[("claim", Column::Bytes), ("place", Column::Int), ("taken_back", Column::Int)]);

static CALL_OFF: Statement = Statement::new(
    "campaigns.call_off_fulfilments",
    "update fulfilment set state = 'failed', note = 'clawed back', version = fulfilment.version + 1, changed_at = r.at
     from rows r
     where fulfilment.id = r.id",
)
.rows(&[("id", Column::Bytes), ("at", Column::Int)]);

/// One achievement whose rewards are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub key: Key,
    /// The account that got its rewards, whose gate is held.
    pub user: Option<UserId>,
    /// Why, for the audit log.
    pub reason: String,
}

/// The command that claws back; the answer says whether anything changed.
pub struct ClawBack;

impl Command for ClawBack {
    const NAME: &'static str = "campaigns.claw_back";
    const KEYED: bool = false;
    type Input = Ask;
    type Reply = bool;

    fn gates(&self, input: &Ask, gates: &mut BTreeSet<UserId>) {
        gates.extend(input.user);
    }

    fn privileged(&self, input: &Ask, changed: &bool) -> Option<Act> {
        let key = &input.key;
        let detail =
            serde_json::json!({ "number": key.number, "goal": key.goal, "period": key.period, "n": key.n, "reason": input.reason });
        changed.then(|| Act { act: "claim.clawed_back", subject: format!("game/{}", key.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<bool>>, Error> {
        let mut state = load(tx, batch).await?;
        let outcomes = batch
            .iter()
            .map(|ask| {
                let granted_to = state.claims.get(&ask.key).and_then(|claim| claim.as_ref()).and_then(|claim| claim.user);
                // Granted since it was looked up, to an account whose gate is not held: the next look finds it.
                if granted_to.is_some() && granted_to != ask.user {
                    return Err(crate::decide::claims::moved());
                }
                Ok(claw_back(&mut state, &ask.key, ClaimId::new(), now))
            })
            .collect();
        write(tx, &state, now).await?;
        Ok(outcomes)
    }
}

fn key_rows<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Rows {
    Rows::of(keys, |key| row![key.game.as_str(), key.player.as_str(), key.number, key.lineage, key.goal, key.period, key.n])
}

async fn load(tx: &mut Tx<'_>, batch: &[&Ask]) -> Result<State, Error> {
    let keys: BTreeSet<&Key> = batch.iter().map(|ask| &ask.key).collect();
    let mut state = State::default();
    let there = tx.load(&LOCK, key_rows(keys.iter().copied()), claims_rows::key).await?;
    let mut claims = claims_rows::load_claims(tx, key_rows(keys)).await?;
    for key in there {
        let claim = claims.remove(&key);
        state.claims.insert(key, claim);
    }
    let granted: Vec<&Claim> = state.claims.values().flatten().collect();
    let rows = Rows::of(&granted, |claim| row![claim.id]);
    let fulfilments = tx.load(&FULFILMENTS, rows, |row| Ok((row.id::<FulfilmentId>(0)?, row.parsed::<FulfilmentState>(1)?))).await?;
    let (mut products, mut wallets) = (BTreeSet::new(), BTreeSet::new());
    for claim in granted {
        for (granted, _) in &claim.rewards {
            match granted {
                Granted::Points { currency, .. } => wallets.extend(claim.user.map(|user| (user, *currency))),
                Granted::Product { product } => products.extend(claim.user.map(|user| (user, *product))),
                Granted::Item { .. } => {}
            }
        }
    }
    state.fulfilments = fulfilments.into_iter().collect();
    state.library = library::commands::load(tx, &products).await?;
    state.wallets = wallet::commands::load(tx, &wallets).await?;
    Ok(state)
}

async fn write(tx: &mut Tx<'_>, state: &State, now: Instant) -> Result<(), Error> {
    let claim = |key: &Key| state.claims[key].as_ref().expect("what changed has a claim");
    let changed: Vec<&Claim> = state.changed.iter().map(claim).collect();
    tx.write(&CLAW_BACK, Rows::of(&changed, |claim| row![claim.id, now])).await?;
    let mut taken = Rows::new();
    for claim in &changed {
        for (place, (_, taken_back)) in (0_i64..).zip(&claim.rewards) {
            taken.push(&row![claim.id, place, *taken_back]);
        }
    }
    tx.write(&TAKE_BACK, taken).await?;
    let added: Vec<(&Key, &Claim)> = state.added.iter().map(|key| (key, claim(key))).collect();
    for chunk in added.chunks(CHUNK_ROWS) {
        claims_write::write_never_granted(tx, chunk).await?;
    }
    tx.write(&CALL_OFF, Rows::of(&state.called_off, |id| row![*id, now])).await?;
    library::commands::write(tx, &state.library).await?;
    wallet::commands::write(tx, &state.wallets).await?;
    let told = state.changed.iter().flat_map(|key| {
        let to_take_back = claim(key).rewards.iter().filter_map(|(granted, _)| match granted {
            Granted::Item { item, quantity, fulfilment } if state.to_take_back.contains(fulfilment) => Some((item, quantity, fulfilment)),
            _ => None,
        });
        to_take_back.map(move |(item, quantity, id)| Announcement {
            topic: TAKE_BACK_TOPIC,
            aggregate: format!("fulfilment/{id}"),
            version: i64::MAX,
            payload: serde_json::json!({
                "game": key.game, "fulfilment": id, "player": key.player, "item": item, "quantity": quantity,
            }),
        })
    });
    announce(tx, &told.collect::<Vec<_>>()).await
}

impl Campaigns {
    /// Takes back what a refunded payment earned, where its goals say so: the goals that were reached by the payment's own record,
    /// or by one of its products' (`PAYMENT/PRODUCT`). Returns how many achievements were taken back; repeating it takes nothing more.
    ///
    /// # Errors
    /// The database fails, or a claim is being granted meanwhile: the same call later does the rest.
    pub async fn refunded(&self, payment: PaymentId, products: &[ProductId]) -> Result<usize, Error> {
        let mut records = vec![payment.to_string()];
        records.extend(products.iter().map(|product| format!("{payment}/{product}")));
        let mut causes = BTreeSet::new();
        for live in self.inner.live.games().values() {
            let goals = live.campaigns.iter().flat_map(|one| &one.campaign.goals).filter(|goal| goal.clawback);
            for kind in goals.flat_map(|goal| &goal.condition.on).collect::<BTreeSet<_>>() {
                causes.extend(records.iter().map(|record| i64::from_ne_bytes(rules::event_id(record, kind, 0).to_ne_bytes())));
            }
        }
        self.claw_back_causes(&causes, &format!("payment {payment} was refunded")).await
    }

    async fn claw_back_causes(&self, causes: &BTreeSet<i64>, reason: &str) -> Result<usize, Error> {
        let rows = Rows::of(causes, |cause| row![*cause]);
        let mut reading = self.inner.db.read().await?;
        let found = reading.load(&FIND, rows, |row| Ok((claims_rows::key(row)?, row.int(7)?, row.id_opt::<UserId>(8)?))).await?;
        drop(reading);
        let mut taken = 0;
        for (key, version, user) in found {
            if !self.says_clawback(&key, version).await? {
                continue;
            }
            let ask = Ask { key, user, reason: reason.to_owned() };
            taken += usize::from(self.inner.clawbacks.send(Meta::ours("clawback"), ask).await?);
        }
        Ok(taken)
    }

    async fn says_clawback(&self, key: &Key, version: i64) -> Result<bool, Error> {
        let version = self.version(&key.game, key.number, version).await?;
        Ok(version.campaign.goals.get(usize::from(key.goal)).is_some_and(|goal| goal.clawback))
    }

    /// Takes back one claim by hand, for operators.
    ///
    /// # Errors
    /// There is no such claim.
    pub async fn claw_back(&self, meta: Meta, game: &kernel::GameId, claim: ClaimId, reason: String) -> Result<bool, Error> {
        static CLAIM: Statement = Statement::new(
            "campaigns.find_claim",
            "select game, player, number, lineage, goal, period, n, user_id from claim where id = $1 and game = $2",
        );
        text::check("reason", &reason, 1, REASON_MAX)?;
        let find = |row: &db::Row<'_>| Ok((claims_rows::key(row)?, row.id_opt::<UserId>(7)?));
        let found = self.inner.db.fetch(&CLAIM, &row![claim, game.as_str()], find).await?.pop();
        let Some((key, user)) = found else { return Err(Refusal::not_found("claim", claim).into()) };
        self.inner.clawbacks.send(meta, Ask { key, user, reason }).await
    }
}
