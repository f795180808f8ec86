//! Decides what is a banner, what a reader is shown now, and until when that holds. Pure: no clock, no database, no randomness.

use crate::model::banners::{Audience, Banner, BannerBody, BannerState, Content, Players, Reader, ShownBanner};
use kernel::time::SECOND_US;
use kernel::{Code, Instant, Refusal, text};

/// Banners a reader is shown at most.
pub const SHOWN_MAX: usize = 20;
/// Locales of one banner.
pub const LOCALES_MAX: usize = 50;
/// Banners of a game, drafts and old ones among them.
pub const BANNERS_MAX: i64 = 5_000;
/// Banners of a placement that are published and not over.
pub const PUBLISHED_MAX: usize = 200;
/// The highest priority.
pub const PRIORITY_MAX: i64 = 1_000_000;
/// The longest address, in characters.
const ADDRESS_MAX: usize = 1_000;
/// Schemes that run what stands behind them, or read files of the reader's.
const BAD_SCHEMES: [&str; 4] = ["javascript", "data", "vbscript", "file"];

/// Checks what is written of a banner.
///
/// # Errors
/// The first thing that is not right.
pub fn check(body: &BannerBody) -> Result<(), Refusal> {
    check_placement(&body.placement)?;
    if !(0..=PRIORITY_MAX).contains(&body.priority) {
        return Err(bad(format!("priority {} is outside 0 to {PRIORITY_MAX}", body.priority)));
    }
    if body.ends_at.is_some_and(|ends_at| ends_at <= body.starts_at) {
        return Err(bad(format!("ends_at {} is not after starts_at {}", body.ends_at.unwrap_or(body.starts_at), body.starts_at)));
    }
    if body.contents.is_empty() || body.contents.len() > LOCALES_MAX {
        return Err(bad(format!("contents has {} locales: 1 to {LOCALES_MAX} would be right", body.contents.len())));
    }
    for (locale, content) in &body.contents {
        check_locale("contents", locale)?;
        let twins = body.contents.keys().filter(|other| other.eq_ignore_ascii_case(locale)).count();
        if twins > 1 {
            return Err(bad(format!("contents has {locale:?} twice in other letters: one of them would be right")));
        }
        check_content(content)?;
    }
    if !body.contents.keys().any(|locale| locale.eq_ignore_ascii_case(&body.fallback)) {
        return Err(bad(format!("fallback {:?} is not a locale of contents: one of them would be right", body.fallback)));
    }
    check_audience(&body.audience)
}

/// Checks the name of a placement.
///
/// # Errors
/// It is not 1 to 40 of a-z, 0-9 and hyphens.
pub fn check_placement(placement: &str) -> Result<(), Refusal> {
    let fits = (1..=40).contains(&placement.len()) && placement.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(()) } else { Err(bad(format!("placement {placement:?} is not 1 to 40 of a-z, 0-9 and hyphens, as lobby or shop-top"))) }
}

/// Checks a locale as BCP 47 writes it: a language and what narrows it down, with hyphens.
///
/// # Errors
/// It is none.
pub fn check_locale(field: &str, locale: &str) -> Result<(), Refusal> {
    let mut parts = locale.split('-');
    let language = parts.next().unwrap_or_default();
    let fits = (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && locale.len() <= 35;
    if fits { Ok(()) } else { Err(bad(format!("{field} has the locale {locale:?}, which is none: ko or pt-BR would be right"))) }
}

fn check_content(content: &Content) -> Result<(), Refusal> {
    for (field, address) in [("image", &content.image), ("link", &content.link)] {
        text::check(field, address, 1, ADDRESS_MAX)?;
        let scheme = address.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        let fits = scheme.is_some_and(|(scheme, rest)| {
            let named = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            let allowed = if field == "image" { scheme == "https" } else { scheme != "http" && !BAD_SCHEMES.contains(&scheme.as_str()) };
            named && allowed && !rest.is_empty() && !address.chars().any(|c| c.is_whitespace() || c.is_control())
        });
        if !fits {
            let right = if field == "image" { "https://…" } else { "https://… or a scheme of the game's own, as kartrider://…" };
            return Err(bad(format!("{field} {address:?} is no address that a reader can be sent to: {right} would be right")));
        }
    }
    text::check("text", &content.text, 0, 200)
}

fn check_audience(audience: &Audience) -> Result<(), Refusal> {
    if let (Some(min), Some(max)) = (audience.level_min, audience.level_max)
        && min > max
    {
        return Err(bad(format!("level_min {min} is above level_max {max}")));
    }
    if audience.platforms.len() > 20 {
        return Err(bad(format!("platforms has {} names: 20 at most would be right", audience.platforms.len())));
    }
    audience.platforms.iter().try_for_each(|platform| check_platform(platform))
}

/// Checks the name of a platform.
///
/// # Errors
/// It is not 1 to 20 of a-z, 0-9 and hyphens.
pub fn check_platform(platform: &str) -> Result<(), Refusal> {
    let fits = (1..=20).contains(&platform.len()) && platform.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(()) } else { Err(bad(format!("platform {platform:?} is not 1 to 20 of a-z, 0-9 and hyphens, as ios"))) }
}

fn bad(told: String) -> Refusal {
    Refusal::new(Code::BadBody, told)
}

/// What a reader is shown of a placement's published banners, the most important first; and when that changes next, if it does.
pub fn shown(shelf: &[Banner], reader: &Reader, now: Instant) -> (Vec<ShownBanner>, Option<Instant>) {
    let theirs: Vec<&Banner> =
        shelf.iter().filter(|banner| banner.state == BannerState::Published && is_for(&banner.body.audience, reader)).collect();
    let turns = theirs.iter().flat_map(|banner| [Some(banner.body.starts_at), banner.body.ends_at]).flatten();
    let next = turns.filter(|turn| *turn > now).min();
    let mut now_shown: Vec<&Banner> = theirs
        .into_iter()
        .filter(|banner| banner.body.starts_at <= now && banner.body.ends_at.is_none_or(|ends_at| now < ends_at))
        .collect();
    now_shown.sort_by(|a, b| {
        let order = |banner: &Banner| (std::cmp::Reverse(banner.body.priority), std::cmp::Reverse(banner.body.starts_at), banner.banner);
        order(a).cmp(&order(b))
    });
    let banners = now_shown.into_iter().take(SHOWN_MAX).filter_map(|banner| {
        let (locale, content) = localized(&banner.body, reader.locale.as_deref())?;
        let Content { image, link, text } = content.clone();
        Some(ShownBanner { banner: banner.banner, locale: locale.to_owned(), image, link, text })
    });
    (banners.collect(), next)
}

/// Whole seconds an answer may be kept: at most `max`, and never beyond the moment when it changes.
pub fn max_age_s(now: Instant, next: Option<Instant>, max: i64) -> i64 {
    next.map_or(max, |next| (next.since_us(now) / SECOND_US).clamp(0, max))
}

fn is_for(audience: &Audience, reader: &Reader) -> bool {
    let level = match (audience.level_min, audience.level_max) {
        (None, None) => true,
        (min, max) => reader.level.is_some_and(|level| min.is_none_or(|min| level >= min) && max.is_none_or(|max| level <= max)),
    };
    let platform = audience.platforms.is_empty() || reader.platform.as_ref().is_some_and(|platform| audience.platforms.contains(platform));
    level && platform && (audience.players == Players::All || audience.players == reader.players)
}

/// The reader's locale, or what it narrows down (RFC 4647, lookup), or the banner's fallback.
fn localized<'b>(body: &'b BannerBody, wanted: Option<&str>) -> Option<(&'b str, &'b Content)> {
    let find = |locale: &str| {
        body.contents.iter().find(|(known, _)| known.eq_ignore_ascii_case(locale)).map(|(known, content)| (known.as_str(), content))
    };
    let mut locale = wanted.unwrap_or_default();
    while !locale.is_empty() {
        if let Some(found) = find(locale) {
            return Some(found);
        }
        locale = locale.rsplit_once('-').map_or("", |(wider, _)| wider);
    }
    find(&body.fallback)
}

#[cfg(test)]
mod tests;
