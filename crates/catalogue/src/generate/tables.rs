//! Frequencies of the real set and of the sample: genres, prices, owners, lengths.
//! No code.

/// Genres and how many games of the real sample have them.
pub(super) const GENRES: &[(&str, u32)] = &[
    ("Indie", 2277),
    ("Action", 1612),
    ("Casual", 1212),
    ("Adventure", 1152),
    ("Strategy", 1012),
    ("Simulation", 1002),
    ("RPG", 836),
    ("Free to Play", 310),
    ("Early Access", 200),
    ("Sports", 182),
    ("Massively Multiplayer", 161),
    ("Racing", 150),
    ("Design & Illustration", 74),
    ("Utilities", 50),
    ("Web Publishing", 36),
    ("Animation & Modeling", 25),
    ("Education", 17),
    ("Software Training", 16),
    ("Photo Editing", 14),
    ("Audio Production", 13),
    ("Video Production", 13),
    ("Accounting", 1),
];

/// Genres a game has; the mean is that of the full set, 2.74.
pub(super) const GENRE_COUNTS: &[(u8, u32)] =
    &[(0, 450), (1, 1100), (2, 2900), (3, 3050), (4, 1550), (5, 650), (6, 200), (7, 70), (8, 20), (9, 6), (10, 3), (11, 1)];

/// Prices in cents: 21 % free, the median 5.99, the 99th percentile 49.99.
pub(super) const PRICES: &[(u32, u32)] = &[
    (0, 210),
    (49, 5),
    (99, 85),
    (199, 60),
    (299, 55),
    (399, 40),
    (499, 37),
    (599, 66),
    (699, 47),
    (799, 55),
    (899, 25),
    (999, 120),
    (1199, 15),
    (1299, 30),
    (1499, 70),
    (1799, 8),
    (1999, 45),
    (2499, 6),
    (2999, 5),
    (3999, 3),
    (4999, 8),
    (5999, 3),
    (6999, 1),
    (19999, 1),
];

/// Bands of estimated owners.
pub(super) const OWNERS: &[((u64, u64), u32)] = &[
    ((0, 0), 60),
    ((0, 20_000), 640),
    ((20_000, 50_000), 120),
    ((50_000, 100_000), 65),
    ((100_000, 200_000), 45),
    ((200_000, 500_000), 40),
    ((500_000, 1_000_000), 15),
    ((1_000_000, 2_000_000), 8),
    ((2_000_000, 5_000_000), 5),
    ((5_000_000, 10_000_000), 1),
    ((10_000_000, 20_000_000), 1),
];

/// Characters of a short description.
pub(super) const SHORT_CHARS: &[(u64, u64)] = &[(0, 24), (100_000, 105), (250_000, 155), (500_000, 213), (750_000, 270), (1_000_000, 310)];

/// Characters of a detailed description.
pub(super) const DETAILED_CHARS: &[(u64, u64)] =
    &[(0, 60), (100_000, 380), (250_000, 830), (500_000, 1642), (750_000, 2200), (900_000, 3000), (990_000, 5600), (1_000_000, 8915)];

/// Screenshots a game shows.
pub(super) const SCREENSHOTS: &[(u64, u64)] = &[(0, 3), (250_000, 5), (500_000, 6), (900_000, 10), (1_000_000, 24)];

/// Years of release: most games are young.
pub(super) const YEARS: &[(u64, u64)] =
    &[(0, 1997), (20_000, 2008), (100_000, 2014), (250_000, 2017), (500_000, 2020), (750_000, 2022), (1_000_000, 2025)];

pub(super) const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub(super) const CATEGORIES: &[&str] = &[
    "Single-player",
    "Multi-player",
    "PvP",
    "Online PvP",
    "Co-op",
    "Online Co-op",
    "Shared/Split Screen",
    "Steam Achievements",
    "Full controller support",
    "Partial Controller Support",
    "Steam Trading Cards",
    "Steam Workshop",
    "Steam Cloud",
    "Stats",
    "Steam Leaderboards",
    "Remote Play Together",
    "Family Sharing",
    "Captions available",
    "Includes level editor",
    "VR Supported",
    "In-App Purchases",
];

pub(super) const TAGS: &[&str] = &[
    "Singleplayer",
    "Indie",
    "Action",
    "Casual",
    "Adventure",
    "2D",
    "Strategy",
    "Simulation",
    "RPG",
    "Atmospheric",
    "Puzzle",
    "3D",
    "Colorful",
    "Pixel Graphics",
    "Exploration",
    "Cute",
    "First-Person",
    "Multiplayer",
    "Arcade",
    "Anime",
    "Fantasy",
    "Funny",
    "Shooter",
    "Horror",
    "Platformer",
    "Retro",
    "Story Rich",
    "Sci-fi",
    "Family Friendly",
    "Action-Adventure",
    "Open World",
    "Female Protagonist",
    "Relaxing",
    "Survival",
    "Third Person",
    "Top-Down",
    "Visual Novel",
    "Difficult",
    "Great Soundtrack",
    "Free to Play",
    "Point & Click",
    "Turn-Based",
    "Local Co-Op",
    "Rogue-lite",
    "Sandbox",
    "Medieval",
    "Choices Matter",
    "Physics",
    "Building",
    "Management",
];

pub(super) const LANGUAGES: &[&str] = &[
    "English",
    "French",
    "Italian",
    "German",
    "Spanish - Spain",
    "Russian",
    "Simplified Chinese",
    "Traditional Chinese",
    "Japanese",
    "Korean",
    "Polish",
    "Portuguese - Brazil",
    "Turkish",
    "Ukrainian",
    "Czech",
    "Dutch",
];
