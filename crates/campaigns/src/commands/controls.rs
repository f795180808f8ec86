//! Controls: opting in, corrections, starting over and forgetting. Each waits as a row for the stream, the only writer of player state.
//! Refuses campaigns and goals that are not there; what a correction does to progress is the stream's to say.

use crate::Campaigns;
use crate::checkpoint::{check_player, control_columns, control_id};
use db::{Act, Column, Command, Error, Meta, Rows, Statement, Tx, row};
use kernel::{Code, GameId, Instant, Outcome, Refusal, text};
use rules::Control;

static ADD: Statement = Statement::new(
    "campaigns.add_controls",
    "insert into control (game, player, id, kind, number, goal, period, amount, at)
     select game, player, id, kind, number, goal, period, amount, $2
     from rows",
)
.rows(&[
    ("game", Column::Text),
    ("player", Column::Text),
    ("id", Column::Bytes),
    ("kind", Column::Text),
    ("number", Column::Int),
    ("goal", Column::Int),
    ("period", Column::Int),
    ("amount", Column::Int),
]);

/// The largest correction, either way.
pub const CORRECTION_MAX: i64 = 1_000_000_000_000;
/// No period's key is as large: it is a time in seconds, at most with thirty bits of a scope below it.
const PERIOD_END: i64 = 1 << 62;
/// The longest reason, in characters.
pub const REASON_MAX: usize = 500;

/// A control that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The game.
    pub game: GameId,
    /// The game's name for the player.
    pub player: String,
    /// What.
    pub control: Control,
    /// Why, when it is done for somebody with a privilege.
    pub reason: Option<String>,
}

/// The command that leaves controls for the stream.
pub struct Leave;

impl Command for Leave {
    const NAME: &'static str = "campaigns.leave_control";
    type Input = Ask;
    type Reply = ();

    fn privileged(&self, input: &Ask, _: &()) -> Option<Act> {
        let act = match input.control {
            Control::OptIn { .. } => "progress.opted_in",
            Control::Correct { .. } => "progress.corrected",
            Control::Restart { .. } => "progress.restarted",
            Control::Erase => "progress.erased",
        };
        let (kind, number, goal, period, by) = control_columns(&input.control);
        let what = serde_json::json!({ "kind": kind, "number": number, "goal": goal, "period": period, "by": by });
        let reason = input.reason.as_ref()?;
        let detail = serde_json::json!({ "player": input.player, "what": what, "reason": reason });
        Some(Act { act, subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let rows = Rows::of(batch, |ask| {
            let (kind, number, goal, period, amount) = control_columns(&ask.control);
            row![ask.game.as_str(), ask.player.as_str(), control_id(), kind, number, goal, period, amount]
        });
        tx.write_with(&ADD, rows, &row![now]).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

/// A correction that an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The campaign.
    pub campaign: String,
    /// The goal.
    pub goal: String,
    /// The period's key, as progress shows it.
    pub period: i64,
    /// By how much; negative lowers. What was reached stays reached.
    pub by: i64,
    /// Why.
    pub reason: String,
}

impl Campaigns {
    /// The player takes part from now on. The stream applies it with its next checkpoint.
    ///
    /// # Errors
    /// There is no such campaign, it asks for no opting in, or it is over.
    pub async fn opt_in(&self, meta: Meta, game: GameId, player: String, campaign: &str) -> Result<(), Error> {
        check_player(&player)?;
        let registered = self.running(&game, campaign).await?;
        if !registered.campaign.opt_in {
            return Err(Refusal::new(Code::WrongState, format!("campaign {campaign} asks for no opting in: everyone takes part")).into());
        }
        self.leave(meta, Ask { game, player, control: Control::OptIn { number: registered.number }, reason: None }).await
    }

    /// Corrects a player's progress. The stream applies it with its next checkpoint.
    ///
    /// # Errors
    /// There is no such campaign or goal, the amount is out of range, or no reason is given.
    pub async fn correct(&self, meta: Meta, game: GameId, player: String, correction: Correction) -> Result<(), Error> {
        check_player(&player)?;
        text::check("reason", &correction.reason, 1, REASON_MAX)?;
        if correction.by == 0 || correction.by.unsigned_abs() > CORRECTION_MAX.unsigned_abs() {
            let told = format!("by {} is not 1 to {CORRECTION_MAX} or its negative", correction.by);
            return Err(Refusal::new(Code::BadAmount, told).into());
        }
        if !(0..PERIOD_END).contains(&correction.period) {
            let told = format!("period {} is none: the key that progress shows would be right", correction.period);
            return Err(Refusal::new(Code::BadAmount, told).into());
        }
        let registered = self.running(&game, &correction.campaign).await?;
        let (goal, _) = registered.campaign.goal(&correction.goal).ok_or_else(|| Refusal::not_found("goal", &correction.goal))?;
        let goal = u16::try_from(goal).map_err(|_| Refusal::not_found("goal", &correction.goal))?;
        let control = Control::Correct { number: registered.number, goal, period: correction.period, by: correction.by };
        self.leave(meta, Ask { game, player, control, reason: Some(correction.reason) }).await
    }

    /// The player's progress in a campaign begins anew; what was reached stays reached.
    ///
    /// # Errors
    /// There is no such campaign, it is over, or no reason is given.
    pub async fn restart(&self, meta: Meta, game: GameId, player: String, campaign: &str, reason: String) -> Result<(), Error> {
        check_player(&player)?;
        text::check("reason", &reason, 1, REASON_MAX)?;
        let number = self.running(&game, campaign).await?.number;
        self.leave(meta, Ask { game, player, control: Control::Restart { number }, reason: Some(reason) }).await
    }

    /// Everything about a player's progress in a game is forgotten.
    ///
    /// # Errors
    /// No reason is given.
    pub async fn erase(&self, meta: Meta, game: GameId, player: String, reason: String) -> Result<(), Error> {
        check_player(&player)?;
        text::check("reason", &reason, 1, REASON_MAX)?;
        self.leave(meta, Ask { game, player, control: Control::Erase, reason: Some(reason) }).await
    }

    async fn leave(&self, meta: Meta, ask: Ask) -> Result<(), Error> {
        self.inner.controls.send(meta, ask).await
    }
}
