//! Decides who may block whom, and who gives and takes roles.
//! Refuses every act after which no active admin would be left: nobody takes that role, or their access, from themselves.

use crate::model::State;
use kernel::{Code, Outcome, Refusal, UserId};
use std::collections::BTreeMap;
use web::{Role, Roles};

/// An account as it stands while a batch is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Active, blocked or erased.
    pub state: State,
    /// What it may do.
    pub roles: Roles,
}

/// The accounts that a batch touches, actors and subjects.
pub type People = BTreeMap<UserId, Person>;

/// A privileged act on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Ends its sessions and lets it do nothing more.
    Block,
    /// Lets it sign in again.
    Unblock,
    /// Gives it a role.
    Grant(Role),
    /// Takes a role from it.
    Revoke(Role),
}

impl Act {
    /// The name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Act::Block => "account.blocked",
            Act::Unblock => "account.unblocked",
            Act::Grant(_) => "role.granted",
            Act::Revoke(_) => "role.revoked",
        }
    }

    fn needs(self) -> &'static [Role] {
        match self {
            Act::Block | Act::Unblock => &[Role::Operator, Role::Admin],
            Act::Grant(_) | Act::Revoke(_) => &[Role::Admin],
        }
    }
}

/// What an act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Governed {
    /// False when it was so already.
    pub changed: bool,
    /// True when the subject's sessions have to end, so that no token outlives what it says.
    pub ends_sessions: bool,
}

/// Applies one act. An actor of none is the machine's own operator, who may only give.
pub fn govern(people: &mut People, actor: Option<UserId>, subject: UserId, act: Act) -> Outcome<Governed> {
    let is_admin = match actor {
        Some(actor) => may(people, actor, act.needs())?.has(Role::Admin),
        None if matches!(act, Act::Grant(_)) => true,
        None => return Err(Refusal::new(Code::Forbidden, "only a signed-in admin or operator takes something away")),
    };
    let person = people.get_mut(&subject).filter(|person| person.state != State::Erased);
    let person = person.ok_or_else(|| Refusal::not_found("account", subject))?;
    let before = *person;
    match act {
        Act::Block | Act::Revoke(Role::Admin) if actor == Some(subject) => {
            return Err(Refusal::new(Code::WrongState, "nobody takes their own access or admin role: another admin would have to"));
        }
        Act::Block | Act::Unblock if !is_admin && runs_the_store(person.roles) => {
            return Err(Refusal::new(
                Code::Forbidden,
                format!("account {subject} is an operator or admin: only an admin blocks or unblocks it"),
            ));
        }
        Act::Revoke(Role::Player) => {
            return Err(Refusal::new(Code::WrongState, "everyone with an account is a player: blocking the account would be right"));
        }
        Act::Grant(_) if person.state != State::Active => {
            return Err(Refusal::new(Code::WrongState, format!("account {subject} is blocked: unblock it first")));
        }
        Act::Block => person.state = State::Blocked,
        Act::Unblock => person.state = State::Active,
        Act::Grant(role) => person.roles = person.roles.with(role),
        Act::Revoke(role) => person.roles = person.roles.without(role),
    }
    let changed = *person != before;
    Ok(Governed { changed, ends_sessions: changed && matches!(act, Act::Block | Act::Revoke(_)) })
}

/// The roles of an actor who is active and has one of these, by the database and not by a token that may be minutes old.
pub fn may(people: &People, actor: UserId, roles: &[Role]) -> Outcome<Roles> {
    let active = people.get(&actor).filter(|person| person.state == State::Active);
    let held = active.map_or(Roles::default(), |person| person.roles);
    if roles.iter().any(|role| held.has(*role)) {
        return Ok(held);
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(Refusal::new(Code::Forbidden, format!("this needs the role {}, which your account does not have now", names.join(" or "))))
}

/// Forgets a person. An admin is first made something less by another admin.
pub fn erase(people: &mut People, user: UserId) -> Outcome<()> {
    let person = people.get_mut(&user).filter(|person| person.state == State::Active);
    let person = person.ok_or_else(|| Refusal::not_found("account", user))?;
    if person.roles.has(Role::Admin) {
        return Err(Refusal::new(Code::WrongState, "an admin's account is not erased: another admin has to revoke the role first"));
    }
    *person = Person { state: State::Erased, roles: Roles::default() };
    Ok(())
}

fn runs_the_store(roles: Roles) -> bool {
    roles.has(Role::Operator) || roles.has(Role::Admin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Uuid;
    use proptest::prelude::*;

    fn user(n: u8) -> UserId {
        UserId(Uuid::from_bytes([n; 16]))
    }

    fn person(roles: &[Role]) -> Person {
        Person { state: State::Active, roles: roles.iter().fold(Roles::default().with(Role::Player), |roles, role| roles.with(*role)) }
    }

    fn acts() -> impl Strategy<Value = Act> {
        let role = prop::sample::select(Role::ALL.to_vec());
        prop_oneof![Just(Act::Block), Just(Act::Unblock), role.clone().prop_map(Act::Grant), role.prop_map(Act::Revoke)]
    }

    proptest! {
        #[test]
        fn whatever_is_done_an_active_admin_is_left(
            steps in prop::collection::vec((prop::option::of(0..4_u8), 0..4_u8, prop::option::of(acts())), 0..200)
        ) {
            let mut people: People = [(user(0), person(&[Role::Admin])), (user(1), person(&[Role::Operator])), (user(2), person(&[])), (user(3), person(&[]))].into();
            for (actor, subject, act) in steps {
                let before = people.clone();
                let refused = match act {
                    Some(act) => govern(&mut people, actor.map(user), user(subject), act).is_err(),
                    None => erase(&mut people, user(subject)).is_err(),
                };
                if refused {
                    prop_assert_eq!(&before, &people, "a refusal changes nothing");
                }
                prop_assert!(people.values().any(|p| p.state == State::Active && p.roles.has(Role::Admin)));
                prop_assert!(people.values().all(|p| p.state != State::Erased || p.roles == Roles::default()), "the erased have no roles");
            }
        }

        #[test]
        fn only_admins_change_roles_and_only_operators_block(actor in 0..4_u8, act in acts()) {
            let mut people: People = [(user(0), person(&[])), (user(1), person(&[Role::StoreManager, Role::PointsProvider])), (user(2), person(&[Role::Operator])), (user(3), person(&[Role::Admin])), (user(9), person(&[]))].into();
            let done = govern(&mut people, Some(user(actor)), user(9), act).is_ok();
            let allowed = match act {
                Act::Block | Act::Unblock => actor >= 2,
                Act::Grant(_) => actor == 3,
                Act::Revoke(role) => actor == 3 && role != Role::Player,
            };
            prop_assert_eq!(done, allowed);
        }
    }

    #[test]
    fn an_operator_does_not_block_another_operator() {
        let mut people: People = [(user(0), person(&[Role::Operator])), (user(1), person(&[Role::Operator]))].into();
        assert_eq!(govern(&mut people, Some(user(0)), user(1), Act::Block).unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn an_admin_blocked_earlier_in_the_batch_does_nothing_more() {
        let mut people: People = [(user(0), person(&[Role::Admin])), (user(1), person(&[Role::Admin])), (user(2), person(&[]))].into();
        let blocked = govern(&mut people, Some(user(0)), user(1), Act::Block).unwrap();
        assert_eq!(blocked, Governed { changed: true, ends_sessions: true });
        assert_eq!(govern(&mut people, Some(user(1)), user(2), Act::Block).unwrap_err().code, Code::Forbidden);
        let again = govern(&mut people, Some(user(0)), user(1), Act::Block).unwrap();
        assert!(!again.changed, "it was so already");
    }

    #[test]
    fn the_machines_operator_gives_and_takes_nothing() {
        let mut people: People = [(user(0), person(&[]))].into();
        assert!(govern(&mut people, None, user(0), Act::Grant(Role::Admin)).unwrap().changed);
        assert!(govern(&mut people, None, user(0), Act::Revoke(Role::Admin)).is_err());
    }
}
