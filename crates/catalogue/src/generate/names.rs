//! Makes up names of games and of the studios behind them, three in a hundred in Korean, Japanese or Chinese.
//! All are invented.

use kernel::Random;

const FIRST: &[&str] = &[
    "Silent",
    "Iron",
    "Crimson",
    "Forgotten",
    "Frozen",
    "Hollow",
    "Golden",
    "Broken",
    "Burning",
    "Distant",
    "Electric",
    "Endless",
    "Falling",
    "Feral",
    "Final",
    "Gentle",
    "Ghostly",
    "Hidden",
    "Infinite",
    "Last",
    "Little",
    "Lost",
    "Lunar",
    "Midnight",
    "Neon",
    "Obsidian",
    "Pale",
    "Phantom",
    "Pixel",
    "Quiet",
    "Radiant",
    "Rapid",
    "Restless",
    "Rogue",
    "Rusty",
    "Sacred",
    "Savage",
    "Scarlet",
    "Shattered",
    "Solar",
    "Stellar",
    "Stormy",
    "Super",
    "Tiny",
    "Turbo",
    "Twisted",
    "Velvet",
    "Verdant",
    "Violet",
    "Wandering",
    "Wicked",
    "Wild",
    "Winter",
    "Ancient",
    "Arcane",
    "Ashen",
    "Binary",
    "Bitter",
    "Brave",
    "Clockwork",
    "Cosmic",
    "Cursed",
    "Deep",
    "Drifting",
    "Eternal",
    "Fabled",
    "Glass",
    "Grim",
];

const SECOND: &[&str] = &[
    "Harbor",
    "Kingdom",
    "Garden",
    "Tower",
    "Signal",
    "Voyage",
    "Dungeon",
    "Engine",
    "Forest",
    "Knight",
    "Machine",
    "Horizon",
    "Empire",
    "Colony",
    "Crown",
    "Arena",
    "Circuit",
    "Citadel",
    "Compass",
    "Crossing",
    "Desert",
    "Dragon",
    "Echo",
    "Ember",
    "Factory",
    "Farm",
    "Fleet",
    "Frontier",
    "Galaxy",
    "Gate",
    "Heist",
    "Hunter",
    "Island",
    "Journey",
    "Labyrinth",
    "Lantern",
    "Legacy",
    "Lighthouse",
    "Mansion",
    "Maze",
    "Meadow",
    "Memory",
    "Mirror",
    "Moon",
    "Mountain",
    "Oath",
    "Oracle",
    "Orchard",
    "Outpost",
    "Parade",
    "Pilot",
    "Planet",
    "Puzzle",
    "Quest",
    "Racer",
    "Realm",
    "Rebellion",
    "Reef",
    "Requiem",
    "River",
    "Ruins",
    "Saga",
    "Shore",
    "Skies",
    "Station",
    "Storm",
    "Tactics",
    "Tavern",
    "Temple",
    "Throne",
    "Tide",
    "Tournament",
    "Train",
    "Uprising",
    "Valley",
    "Village",
    "Warden",
    "Witch",
    "Workshop",
    "Zone",
];

const ENDINGS: &[&str] =
    &["Remastered", "Deluxe", "Origins", "Reborn", "VR", "Online", "Prologue", "Soundtrack", "Simulator", "Tycoon", "Zero"];
const STUDIO_KINDS: &[&str] =
    &["Games", "Studio", "Interactive", "Softworks", "Entertainment", "Works", "Digital", "Collective", "Ltd.", "LLC"];

const KOREAN: (&[&str], &[&str]) = (
    &["별빛", "검은", "잊혀진", "마지막", "푸른", "용의", "달빛", "겨울", "작은", "영원한", "붉은", "비밀의", "황금", "고요한"],
    &["왕국", "기사단", "모험", "전설", "정원", "미궁", "항해", "마법사", "연구소", "이야기", "사냥꾼", "도시", "학교", "탐정"],
);
const JAPANESE: (&[&str], &[&str]) = (
    &["星空の", "黒い", "忘れられた", "最後の", "青い", "竜の", "月夜の", "冬の", "小さな", "永遠の", "赤い", "秘密の", "黄金の", "静かな"],
    &["王国", "騎士団", "ぼうけん", "伝説", "庭園", "迷宮", "航海", "魔女", "研究所", "ものがたり", "ハンター", "都市", "学園", "たんてい"],
);
const CHINESE: (&[&str], &[&str]) = (
    &["星空", "黑暗", "遗忘", "最后的", "蓝色", "龙之", "月夜", "寒冬", "小小", "永恒", "赤红", "秘密", "黄金", "寂静"],
    &["王国", "骑士团", "大冒险", "传说", "花园", "迷宫", "远航", "女巫", "实验室", "物语", "猎人", "都市", "学院", "侦探"],
);

/// A game's name, most of them distinct.
pub(super) fn game(random: &mut Random) -> String {
    if random.chance(30) {
        return foreign(random);
    }
    let (first, second) = (random.pick(FIRST), random.pick(SECOND));
    match random.below(20) {
        0 => format!("{first} {second}"),
        1..6 => format!("{first} {second}: {} {}", random.pick(FIRST), random.pick(SECOND)),
        6..9 => format!("{second} of the {} {}", random.pick(FIRST), random.pick(SECOND)),
        9 => format!("The {first} {second} {}™", random.pick(SECOND)),
        10..13 => format!("{first} {second} {}", random.between(2, 99)),
        13..15 => format!("{second} & {}: {first} {}", random.pick(SECOND), random.pick(SECOND)),
        15 => format!("{first} {second} - {}'s {}", random.pick(SECOND), random.pick(ENDINGS)),
        16 => format!("\"{first}\" {} {second}", random.pick(FIRST)),
        17 => format!("{} {first} {second}", random.pick(FIRST)),
        18 => format!("{first} {second} {}", random.pick(ENDINGS)),
        _ => format!("{} {second} {}®", random.pick(FIRST), random.pick(SECOND)),
    }
}

fn foreign(random: &mut Random) -> String {
    let (language, space) = random.pick(&[(KOREAN, " "), (JAPANESE, ""), (CHINESE, "")]);
    let (first, second) = (random.pick(language.0), random.pick(language.1));
    match random.below(3) {
        0 => format!("{first}{space}{second}"),
        1 => format!("{first}{space}{second} {}", random.between(2, 12)),
        _ => format!("{first}{space}{second}: {}{space}{}", random.pick(language.0), random.pick(language.1)),
    }
}

/// A studio's name.
pub(super) fn studio(random: &mut Random) -> String {
    let second = random.pick(SECOND);
    match random.below(4) {
        0 => format!("{second} {}", random.pick(STUDIO_KINDS)),
        1 => format!("{} {second}", random.pick(FIRST)),
        _ => format!("{} {second} {}", random.pick(FIRST), random.pick(STUDIO_KINDS)),
    }
}
