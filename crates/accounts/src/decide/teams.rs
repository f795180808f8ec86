//! Decides who may change a game's team and its API keys: operators everywhere, campaign managers in their own game.
//! Refuses games that do not exist, and keys without a scope.

use super::govern::{People, may};
use crate::games::GameRole;
use kernel::{Code, GameId, Outcome, Refusal, UserId};
use std::collections::{BTreeMap, BTreeSet};
use web::Role;

/// The most people a game's team has.
pub const MEMBERS_MAX: usize = 200;
/// The most keys of a game that work at the same time.
pub const KEYS_MAX: usize = 50;

/// What a batch about teams has loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Teams {
    /// Actors, and those who are to become members.
    pub people: People,
    /// The games named, with their teams; one that is missing does not exist.
    pub games: BTreeMap<GameId, Team>,
}

/// A game's team and keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Team {
    /// Its people.
    pub members: BTreeMap<UserId, GameRole>,
    /// How many keys work.
    pub keys: usize,
}

impl Teams {
    /// Registers a game.
    pub fn register(&mut self, actor: UserId, game: &GameId) -> Outcome<()> {
        may(&self.people, actor, &[Role::Operator, Role::Admin])?;
        if self.games.contains_key(game) {
            return Err(Refusal::new(Code::AlreadyExists, format!("game {game} is registered already: another id would be right")));
        }
        self.games.insert(game.clone(), Team::default());
        Ok(())
    }

    /// Takes somebody into a team, or changes their role there.
    pub fn put_member(&mut self, actor: UserId, game: &GameId, member: UserId, role: GameRole) -> Outcome<()> {
        let known = self.people.get(&member).is_some_and(|person| person.state == crate::State::Active);
        let team = self.managed(actor, game)?;
        if !known {
            return Err(Refusal::not_found("account", member));
        }
        if team.members.len() >= MEMBERS_MAX && !team.members.contains_key(&member) {
            return Err(Refusal::new(Code::LimitReached, format!("the team of {game} has {MEMBERS_MAX} members: remove one first")));
        }
        team.members.insert(member, role);
        Ok(())
    }

    /// Takes somebody out of a team.
    pub fn remove_member(&mut self, actor: UserId, game: &GameId, member: UserId) -> Outcome<()> {
        let team = self.managed(actor, game)?;
        team.members.remove(&member).map(drop).ok_or_else(|| Refusal::not_found("member", member))
    }

    /// Adds an API key.
    pub fn create_key(&mut self, actor: UserId, game: &GameId, scopes: &BTreeSet<crate::Scope>) -> Outcome<()> {
        let team = self.managed(actor, game)?;
        if scopes.is_empty() {
            return Err(Refusal::new(Code::BadBody, "scopes is empty: at least one scope would be right"));
        }
        if team.keys >= KEYS_MAX {
            return Err(Refusal::new(Code::LimitReached, format!("{game} has {KEYS_MAX} keys that work: revoke one first")));
        }
        team.keys += 1;
        Ok(())
    }

    /// The team of a game that the actor manages.
    pub fn managed(&mut self, actor: UserId, game: &GameId) -> Outcome<&mut Team> {
        let runs_the_store = may(&self.people, actor, &[Role::Operator, Role::Admin]).is_ok();
        let team = self.games.get_mut(game);
        let manages = team.as_ref().is_some_and(|team| team.members.get(&actor) == Some(&GameRole::CampaignManager));
        let is_active = self.people.get(&actor).is_some_and(|person| person.state == crate::State::Active);
        match team {
            Some(team) if runs_the_store || (manages && is_active) => Ok(team),
            None if runs_the_store => Err(Refusal::not_found("game", game)),
            _ => Err(Refusal::new(Code::Forbidden, format!("this needs the role operator, or campaign_manager in the team of {game}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::govern::Person;
    use crate::{Scope, State};
    use kernel::Uuid;
    use proptest::prelude::*;
    use web::Roles;

    fn user(n: u8) -> UserId {
        UserId(Uuid::from_bytes([n; 16]))
    }

    fn teams() -> Teams {
        let person = |roles| Person { state: State::Active, roles };
        let people = [
            (user(0), person(Roles::default().with(Role::Operator))),
            (user(1), person(Roles::default())),
            (user(2), person(Roles::default())),
        ];
        Teams { people: people.into(), games: BTreeMap::new() }
    }

    fn game(id: &str) -> GameId {
        id.parse().unwrap()
    }

    #[test]
    fn a_game_is_registered_once_and_by_an_operator() {
        let mut teams = teams();
        assert_eq!(teams.register(user(1), &game("kart")).unwrap_err().code, Code::Forbidden);
        teams.register(user(0), &game("kart")).unwrap();
        assert_eq!(teams.register(user(0), &game("kart")).unwrap_err().code, Code::AlreadyExists);
    }

    #[test]
    fn a_campaign_manager_manages_their_own_game_only() {
        let mut teams = teams();
        teams.register(user(0), &game("kart")).unwrap();
        teams.register(user(0), &game("maple")).unwrap();
        teams.put_member(user(0), &game("kart"), user(1), GameRole::CampaignManager).unwrap();
        teams.put_member(user(1), &game("kart"), user(2), GameRole::TeamMember).unwrap();
        assert_eq!(teams.put_member(user(1), &game("maple"), user(2), GameRole::TeamMember).unwrap_err().code, Code::Forbidden);
        assert_eq!(teams.create_key(user(2), &game("kart"), &[Scope::PlayersRead].into()).unwrap_err().code, Code::Forbidden);
        assert_eq!(teams.put_member(user(0), &game("gone"), user(2), GameRole::TeamMember).unwrap_err().code, Code::NotFound);
        assert_eq!(teams.put_member(user(0), &game("kart"), user(7), GameRole::TeamMember).unwrap_err().code, Code::NotFound);
    }

    proptest! {
        #[test]
        fn nobody_without_a_role_changes_anything(steps in prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8), 0..100)) {
            let mut teams = teams();
            teams.register(user(0), &game("kart")).unwrap();
            for (actor, subject, what) in steps {
                let before = teams.clone();
                let done = match what {
                    0 => teams.put_member(user(actor), &game("kart"), user(subject), GameRole::CampaignManager).is_ok(),
                    1 => teams.put_member(user(actor), &game("kart"), user(subject), GameRole::TeamMember).is_ok(),
                    2 => teams.remove_member(user(actor), &game("kart"), user(subject)).is_ok(),
                    _ => teams.create_key(user(actor), &game("kart"), &[Scope::ClaimsWrite].into()).is_ok(),
                };
                let may = actor == 0 || before.games[&game("kart")].members.get(&user(actor)) == Some(&GameRole::CampaignManager);
                prop_assert!(may || !done);
                if !done {
                    prop_assert_eq!(before, teams.clone());
                }
                prop_assert!(teams.games[&game("kart")].keys <= KEYS_MAX);
            }
        }
    }
}
