//! How large a campaign may be. Each limit bounds memory per player or time per event; none is a matter of taste.

/// Bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Goals of a campaign.
pub const GOALS_MAX: usize = 64;
/// Characters of a title.
pub const TITLE_MAX: usize = 200;
/// Characters of a description.
pub const DESCRIPTION_MAX: usize = 2_000;
/// Characters of an attribute's name, a kind or a compared text.
pub const TEXT_MAX: usize = 200;
/// Days from a campaign's start to its end.
pub const DAYS_MAX: i64 = 3_660;
/// Seconds a record may be late: a week.
pub const LATE_S_MAX: u32 = 7 * 86_400;
/// Kinds of events one goal counts.
pub const KINDS_MAX: usize = 16;
/// Tiers of a goal.
pub const TIERS_MAX: usize = 50;
/// How often a goal is reached in one period.
pub const REPEATS_MAX: i64 = 1_000;
/// The largest target; sums stay far from what 64 bits hold.
pub const TARGET_MAX: i64 = 1_000_000_000_000_000;
/// Points of one reward: what a wallet takes at once. A hundred of them fit an empty one.
pub const POINTS_MAX: i64 = 1_000_000_000_000;
/// Values a goal that counts distinct ones remembers, per period.
pub const DISTINCT_MAX: i64 = 1_000;
/// Items of a collection: one bit each.
pub const ITEMS_MAX: usize = 64;
/// Seconds of a sliding window: a week.
pub const WITHIN_S_MAX: u32 = 7 * 86_400;
/// Events a sliding window, a sequence or an unlocked goal keeps per player; past it the oldest is forgotten.
pub const STAMPS_MAX: usize = 1_024;
/// Length of a count window ("3 of any 5 in a row" has 5).
pub const IN_A_ROW_MAX: u16 = 100;
/// Shortest period of a freely chosen length, in seconds.
pub const LENGTH_S_MIN: u32 = 60;
/// Longest period of a freely chosen length, in seconds: a year.
pub const LENGTH_S_MAX: u32 = 366 * 86_400;
/// Hour-of-day slots in a day.
pub const SLOTS_MAX: usize = 24;
/// Depth of a filter.
pub const FILTER_DEPTH_MAX: usize = 8;
/// Tests in one filter.
pub const FILTER_TESTS_MAX: usize = 64;
/// Values of one `one_of`, and of one weight's table.
pub const VALUES_MAX: usize = 1_000;
/// Depth of all-of and any-of within one goal.
pub const TREE_DEPTH_MAX: usize = 8;
/// Goals that one goal refers to: one bit each.
pub const TREE_LEAVES_MAX: usize = 64;
/// Goals that feed one another in a line.
pub const FEED_DEPTH_MAX: usize = 8;
/// The largest weight.
pub const WEIGHT_MAX: i64 = 1_000_000;
/// Values of a scope that are followed per player.
pub const SCOPES_MAX: u8 = 64;
/// Bytes of a scope's value that are kept for people to read.
pub const SCOPE_TEXT_MAX: usize = 100;
/// Rewards of a goal.
pub const REWARDS_MAX: usize = 100;
/// Hours a claim may stay open after what it counts from: ten years.
pub const CLAIM_HOURS_MAX: u32 = 87_600;
