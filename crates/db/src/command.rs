//! What a kind of command is, who sends one, and how a batch of one kind is attempted in a transaction.
//! Refuses to run a key twice: a repeat gets the first answer, whether it comes later, in the same batch or from another process.

use crate::idempotency::{self, Kept};
use crate::{AuditRow, Error, Tx, audit};
use kernel::{Code, Instant, KeyId, Outcome, Refusal, UserId};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;

/// Who asked for it, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The account that calls; none for work of our own, as a sweeper's.
    pub caller: Option<UserId>,
    /// What the caller's token says it may do, as bits: an account that may do less by now is refused.
    pub roles: u32,
    /// The route or job, part of the key's scope.
    pub route: &'static str,
    /// The caller's idempotency key, or ours when none came.
    pub key: String,
    /// A hash of what was asked, to tell a repeat from another request under the same key.
    pub fingerprint: [u8; 16],
    /// The API key of a game that asks; what it does is noted in the audit log, whatever it is.
    pub api_key: Option<KeyId>,
}

impl Meta {
    /// Work of our own: nobody's gate is asked whether its account is active.
    pub fn ours(route: &'static str) -> Meta {
        Meta { caller: None, roles: 0, route, key: new_key(), fingerprint: [0; 16], api_key: None }
    }

    /// A caller's work without a key of its own.
    pub fn of(caller: UserId, route: &'static str) -> Meta {
        Meta { caller: Some(caller), roles: 0, route, key: new_key(), fingerprint: [0; 16], api_key: None }
    }
}

/// A key of our own, for a command that came without one.
pub fn new_key() -> String {
    kernel::Uuid::now_v7().simple().to_string()
}

/// One kind of command: a batch of inputs is loaded, decided and written in one transaction.
pub trait Command: Send + Sync + 'static {
    /// Its name in metrics and logs, as `payments.pay`.
    const NAME: &'static str;
    /// False when the answer holds a secret: a repeat is then told `already-done` instead.
    const KEEPS_ANSWER: bool = true;
    /// False for work that guards itself against repeats, as a checkpoint does by its offsets: no key is kept for it.
    const KEYED: bool = true;
    /// What is asked.
    type Input: Send + Sync + 'static;
    /// What is answered; kept with the key, so it must read back as it was written.
    type Reply: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// The accounts whose money or things are touched, besides the caller's own.
    fn gates(&self, _input: &Self::Input, _gates: &mut BTreeSet<UserId>) {}

    /// Inputs of one lane are decided in order by one writer; none means whichever is free. A kind names lanes for all its inputs or for none.
    fn lane(&self, _input: &Self::Input) -> Option<u64> {
        None
    }

    /// Loads, decides and writes a batch; one outcome per input, in order.
    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        batch: &'a [&'a Self::Input],
        now: Instant,
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Reply>>, Error>> + Send + 'a;

    /// What the audit log says of an input that was done for someone with a privilege; nothing for what players do for themselves.
    fn privileged(&self, _input: &Self::Input, _reply: &Self::Reply) -> Option<Act> {
        None
    }

    /// Called once for each input after the commit, before its caller is answered.
    fn committed(&self, _input: &Self::Input, _outcome: &Outcome<Self::Reply>) {}
}

/// A privileged act, as a command tells it; its actor is the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// What was done, as `stock.registered`.
    pub act: &'static str,
    /// To whom or what, as `product/7`.
    pub subject: String,
    /// Facts without personal data.
    pub detail: serde_json::Value,
}

/// Runs a batch of one kind inside a transaction: gates, the command, new answers.
///
/// Most keys are new, so kept answers are looked for first (`looks`) only in a batch that runs again. What is refused otherwise is
/// looked for then, and what a repeat was granted a second time cannot be kept: either way the batch runs again.
pub(crate) async fn attempt<C: Command>(
    command: &C,
    tx: &mut Tx<'_>,
    asked: &[(&Meta, &C::Input)],
    looks: bool,
) -> Result<Vec<Outcome<C::Reply>>, Error> {
    let mut users = BTreeSet::new();
    for (meta, input) in asked {
        users.extend(meta.caller);
        command.gates(input, &mut users);
    }
    idempotency::lock_gates(tx, &users).await?;
    let kept = idempotency::load(tx, asked.iter().filter(|_| C::KEYED && looks).map(|(meta, _)| *meta)).await?;

    let mut outcomes: Vec<Option<Outcome<C::Reply>>> = Vec::with_capacity(asked.len());
    let mut firsts: HashMap<(Option<UserId>, &str, &str), usize> = HashMap::with_capacity(asked.len());
    let mut follows: Vec<(usize, usize)> = Vec::new();
    let mut runs: Vec<usize> = Vec::with_capacity(asked.len());
    for (i, (meta, input)) in asked.iter().enumerate() {
        let key = (meta.caller, meta.route, meta.key.as_str());
        outcomes.push(match kept.get(&key) {
            Some(answer) => Some(repeat::<C>(meta, answer)),
            None => match firsts.get(&key) {
                Some(first) => {
                    follows.push((i, *first));
                    None
                }
                None => {
                    let refused = refuse_gates(command, tx, meta, input);
                    if refused.is_none() {
                        firsts.insert(key, i);
                        runs.push(i);
                    }
                    refused.map(Err)
                }
            },
        });
    }

    let inputs: Vec<&C::Input> = runs.iter().map(|i| asked[*i].1).collect();
    let decided = if inputs.is_empty() { Vec::new() } else { command.run(tx, &inputs, tx.now()).await? };
    if decided.len() != inputs.len() {
        return Err(Error::Broken(format!("{} answered {} of {} inputs", C::NAME, decided.len(), inputs.len())));
    }
    crate::crash::point("db.before_writes_are_kept");
    let mut to_keep = Vec::with_capacity(runs.len());
    let mut acts = Vec::new();
    for (i, outcome) in runs.into_iter().zip(decided) {
        let (meta, input) = asked[i];
        if let Ok(reply) = &outcome {
            acts.extend(noted::<C>(meta, command.privileged(input, reply)));
        }
        if C::KEYED && !is_unchanged(&outcome) {
            to_keep.push((asked[i].0, text_of::<C>(&outcome)));
        }
        outcomes[i] = Some(outcome);
    }
    if C::KEYED && !looks {
        let refused = asked.iter().zip(&outcomes).filter(|(_, outcome)| outcome.as_ref().is_some_and(is_unchanged));
        if !idempotency::load(tx, refused.map(|((meta, _), _)| *meta)).await?.is_empty() {
            return Err(Error::Again(format!("{} was refused what it was granted before under the same key", C::NAME)));
        }
    }
    idempotency::keep(tx, &to_keep).await?;
    audit(tx, &acts).await?;
    tx.flush().await?;

    for (i, first) in follows {
        let same = asked[i].0.fingerprint == asked[first].0.fingerprint;
        outcomes[i] =
            Some(if same { outcomes[first].clone().expect("the first was decided above") } else { Err(key_reused(&asked[i].0.key)) });
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.expect("every input was kept, refused, run or followed")).collect())
}

/// Such a refusal is not kept: asked again under the same key, it is decided again.
fn is_unchanged<R>(outcome: &Outcome<R>) -> bool {
    outcome.as_ref().is_err_and(|refusal| !refusal.changed)
}

/// The row of an act in the audit log. What an API key does is found under the key, privileged or not.
fn noted<C: Command>(meta: &Meta, act: Option<Act>) -> Option<AuditRow> {
    let Some(key) = meta.api_key else {
        return act.map(|act| AuditRow { actor: meta.caller, act: act.act, subject: act.subject, detail: act.detail });
    };
    let detail = match &act {
        Some(act) => serde_json::json!({ "route": meta.route, "of": act.subject, "detail": act.detail }),
        None => serde_json::json!({ "route": meta.route }),
    };
    Some(AuditRow { actor: None, act: act.map_or(C::NAME, |act| act.act), subject: format!("key/{key}"), detail })
}

fn refuse_gates<C: Command>(command: &C, tx: &Tx<'_>, meta: &Meta, input: &C::Input) -> Option<Refusal> {
    let caller = meta.caller?;
    if !tx.is_active(caller) {
        return Some(Refusal::new(Code::Unauthenticated, "the account of this token is blocked or gone: sign in again"));
    }
    if !tx.has_roles(caller, meta.roles) {
        return Some(Refusal::new(Code::Unauthenticated, "the account of this token may do less than the token says: sign in again"));
    }
    let mut gates = BTreeSet::new();
    command.gates(input, &mut gates);
    gates.into_iter().find(|user| !tx.is_active(*user)).map(|user| Refusal::not_found("account", user))
}

fn text_of<C: Command>(outcome: &Outcome<C::Reply>) -> String {
    if C::KEEPS_ANSWER { serde_json::to_string(outcome).expect("replies are plain data") } else { "null".to_owned() }
}

fn repeat<C: Command>(meta: &Meta, kept: &Kept) -> Outcome<C::Reply> {
    if kept.fingerprint != meta.fingerprint {
        return Err(key_reused(&meta.key));
    }
    if !C::KEEPS_ANSWER {
        return Err(Refusal::new(
            Code::AlreadyDone,
            format!("this was done under key {:?}; its answer held a secret and was not kept", meta.key),
        ));
    }
    serde_json::from_str(&kept.answer).unwrap_or_else(|e| {
        tracing::error!(command = C::NAME, error = %e, "a kept answer cannot be read");
        Err(Refusal::new(Code::AlreadyDone, format!("this was done under key {:?}, by a version whose answers read otherwise", meta.key)))
    })
}

fn key_reused(key: &str) -> Refusal {
    Refusal::new(
        Code::KeyReused,
        format!("Idempotency-Key {key:?} was used with another request: a new key for each new request would be right"),
    )
}
