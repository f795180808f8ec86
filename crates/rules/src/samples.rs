//! The sample campaigns, as shipped: one for each kind of condition, over the attributes of the shipped mappings.

/// Name and document of each sample campaign.
pub fn samples() -> &'static [(&'static str, &'static str)] {
    &[
        ("01-ranked-ten", include_str!("../samples/01-ranked-ten.json")),
        ("02-login-streak", include_str!("../samples/02-login-streak.json")),
        ("03-twenty-days", include_str!("../samples/03-twenty-days.json")),
        ("04-five-relics", include_str!("../samples/04-five-relics.json")),
        ("05-five-wins-an-hour", include_str!("../samples/05-five-wins-an-hour.json")),
        ("06-hour-a-day", include_str!("../samples/06-hour-a-day.json")),
        ("07-tickets", include_str!("../samples/07-tickets.json")),
        ("08-all-and-any", include_str!("../samples/08-all-and-any.json")),
        ("09-weekly-kills", include_str!("../samples/09-weekly-kills.json")),
        ("10-afternoon", include_str!("../samples/10-afternoon.json")),
        ("11-weekend-stamps", include_str!("../samples/11-weekend-stamps.json")),
        ("12-best-score", include_str!("../samples/12-best-score.json")),
        ("13-three-of-five", include_str!("../samples/13-three-of-five.json")),
        ("14-stamp-after-coins", include_str!("../samples/14-stamp-after-coins.json")),
        ("15-equal-opponents", include_str!("../samples/15-equal-opponents.json")),
    ]
}
