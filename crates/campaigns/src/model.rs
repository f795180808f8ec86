//! The data of claims: achievements, grants, budgets, fulfilments and links, as stored and as callers see them.

use kernel::{ClaimId, FulfilmentId, GameId, Instant, KeyId, ProductId, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which achievement: once per goal, period and n of a campaign's lineage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The game.
    pub game: GameId,
    /// The game's name for the player.
    pub player: String,
    /// The campaign's number.
    pub number: u32,
    /// Its lineage.
    pub lineage: u32,
    /// The goal's place in the document.
    pub goal: u16,
    /// The period's key.
    pub period: i64,
    /// The tier or repeat, from 1.
    pub n: i64,
}

/// An achievement, as it is loaded for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Achievement {
    /// The campaign's version that judged it.
    pub version: i64,
    /// When it was reached in the game.
    pub achieved_at: Instant,
    /// Tried so often without being asked.
    pub attempts: i64,
    /// When to try next without being asked.
    pub auto_at: Option<Instant>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$variant_doc:meta])* $variant:ident => $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The word as it is stored.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)+
                    other => Err(format!("{other:?} is not one of {}", [$($text),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What became of a claim.
    ClaimState:
    /// Its rewards were granted.
    Granted => "granted",
    /// They were taken back, or never given, because the purchase behind them was refunded.
    ClawedBack => "clawed_back",
}

words! {
    /// How a game's fulfilments reach its team: one way or the other, never both.
    FulfilBy:
    /// Sent to the game's webhooks.
    Webhook => "webhook",
    /// Listed until they are acknowledged.
    Poll => "poll",
}

words! {
    /// Where a fulfilment stands.
    FulfilmentState:
    /// Waits to be sent, or to be acknowledged.
    Pending => "pending",
    /// A webhook took it.
    Delivered => "delivered",
    /// The game team says that the player has it.
    Acknowledged => "acknowledged",
    /// The game team says that it cannot be handed out, or it was clawed back in time.
    Failed => "failed",
    /// Sending was given up after days; it can be sent again.
    Parked => "parked",
}

/// Who claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimedBy {
    /// A signed-in account.
    Account(UserId),
    /// The game, by a key.
    Key(KeyId),
    /// Nobody: the goal grants by itself.
    Auto,
}

impl fmt::Display for ClaimedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimedBy::Account(user) => write!(f, "account:{user}"),
            ClaimedBy::Key(key) => write!(f, "key:{key}"),
            ClaimedBy::Auto => f.write_str("auto"),
        }
    }
}

/// One reward that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Granted {
    /// Points in the account's wallet.
    Points {
        /// How many.
        amount: i64,
        /// The wallet's currency.
        currency: kernel::Currency,
    },
    /// A product in the account's library.
    Product {
        /// The product.
        product: ProductId,
    },
    /// Something that the game team hands out.
    Item {
        /// The game's name for it.
        item: String,
        /// How many.
        quantity: i64,
        /// Where it stands: `GET /v1/games/{game}/fulfilments/{fulfilment}`.
        fulfilment: FulfilmentId,
    },
}

/// A stored claim with its rewards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// What became of it.
    pub state: ClaimState,
    /// The account that was linked when it was granted.
    pub user: Option<UserId>,
    /// When it was granted; none when it was clawed back before.
    pub granted_at: Option<Instant>,
    /// When it was clawed back.
    pub clawed_back_at: Option<Instant>,
    /// What was granted, and how much of it was taken back.
    pub rewards: Vec<(Granted, i64)>,
}

/// A claim, as its claimer sees it. A repeat sees the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClaimView {
    /// Its id; the reference of its ledger rows, with the reward's place.
    pub claim: ClaimId,
    /// The period's key, as progress shows it.
    pub period: i64,
    /// The tier or repeat, from 1.
    pub n: i64,
    /// What became of it.
    pub state: ClaimState,
    /// When it was granted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub granted_at: Option<Instant>,
    /// What was granted.
    pub rewards: Vec<Granted>,
}

impl ClaimView {
    /// A stored claim, as it is shown.
    pub fn of(key: &Key, claim: &Claim) -> ClaimView {
        let rewards = claim.rewards.iter().map(|(granted, _)| granted.clone()).collect();
        ClaimView { claim: claim.id, period: key.period, n: key.n, state: claim.state, granted_at: claim.granted_at, rewards }
    }
}

/// What could not be granted, and why; it stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedClaim {
    /// The period's key.
    pub period: i64,
    /// The tier or repeat.
    pub n: i64,
    /// The stable code, as `account-needed`.
    pub code: kernel::Code,
    /// Why, and what would be right.
    pub detail: String,
}

/// The claims of one goal after a claim: those granted now and those granted before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GoalClaims {
    /// What is granted, by period and n.
    pub claims: Vec<ClaimView>,
    /// What could not be granted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<RefusedClaim>,
}

/// A fulfilment, as the game team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fulfilment {
    /// Its id; the key by which a game hands it out once.
    pub fulfilment: FulfilmentId,
    /// Who gets it.
    pub player: String,
    /// The claim behind it.
    pub claim: ClaimId,
    /// What.
    pub item: String,
    /// How many.
    pub quantity: i64,
    /// How it reaches the game team.
    pub fulfil_by: FulfilBy,
    /// Where it stands.
    pub state: FulfilmentState,
    /// Why it failed or was parked, or the game's own receipt.
    pub note: String,
    /// Since when it exists.
    pub created_at: Instant,
    /// Since when it stands there.
    pub changed_at: Instant,
}

/// What came of sending parked fulfilments again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resent {
    /// How many are sent again.
    #[schema(example = 500)]
    pub resent: u64,
    /// True when there may be more: to be asked for again.
    pub more: bool,
}

/// A link between a player and an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PlayerLink)]
pub struct Link {
    /// The game.
    pub game: GameId,
    /// The game's name for the player.
    pub player: String,
    /// The account.
    pub user: UserId,
    /// By a code that the game showed to its player, or by an operator.
    pub linked_by: LinkedBy,
    /// Since when.
    pub linked_at: Instant,
}

words! {
    /// What stands behind a link.
    LinkedBy:
    /// A code that the game issued and the account's owner redeemed.
    Code => "code",
    /// An operator's word.
    Operator => "operator",
}
