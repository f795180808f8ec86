//! What must always hold of accounts, sessions and keys.

use db::{Invariant, Statement};

/// The invariants of accounts.
pub static INVARIANTS: &[&Invariant] = &[&ERASED, &PERSONAL, &STRAY, &SESSIONS, &KEYS, &MEMBERS, &ADMIN];

static ERASED: Invariant = Invariant {
    name: "accounts.erased-means-erased",
    says: "an erased account has no data key, no password, no hash of its address, no mailed token, no place in a team and no role",
    breaches: Statement::new(
        "check.accounts_erased",
        "select lower({hex id}), 'erased, but has ' || what
         from (
             select a.id, 'personal data' as what from accounts a join personal p on p.user_id = a.id where a.state = 'erased'
             union all
             select a.id, 'an address hash' from accounts a join account_email e on e.user_id = a.id where a.state = 'erased'
             union all
             select a.id, 'a mailed token' from accounts a join mail_token t on t.user_id = a.id where a.state = 'erased'
             union all
             select a.id, 'a place in a team' from accounts a join game_member m on m.user_id = a.id where a.state = 'erased'
             union all
             select a.id, 'roles' from accounts a where a.state = 'erased' and a.roles <> 0
         ) t",
    ),
};

static PERSONAL: Invariant = Invariant {
    name: "accounts.everyone-can-be-found",
    says: "an account that is not erased has its personal row and at least one hash of its address",
    breaches: Statement::new(
        "check.accounts_personal",
        "select lower({hex a.id}), a.state || ', but without personal data or address hash'
         from accounts a
         where a.state <> 'erased'
           and (not exists (select 1 from personal p where p.user_id = a.id) or not exists (select 1 from account_email e where e.user_id = a.id))",
    ),
};

static STRAY: Invariant = Invariant {
    name: "accounts.nothing-personal-without-an-account",
    says: "personal rows, address hashes, mailed tokens and sessions belong to an account",
    breaches: Statement::new(
        "check.accounts_stray",
        "select lower({hex user_id}), what || ' of no account'
         from (
             select user_id, 'personal data' as what from personal
             union all
             select user_id, 'address hash' from account_email
             union all
             select user_id, 'mailed token' from mail_token
             union all
             select user_id, 'session' from session
         ) t
         where not exists (select 1 from accounts a where a.id = t.user_id)",
    ),
};

static SESSIONS: Invariant = Invariant {
    name: "accounts.only-active-accounts-have-live-sessions",
    says: "a blocked or erased account has no session that lives",
    breaches: Statement::new(
        "check.accounts_sessions",
        "select lower({hex s.id}), 'lives, but its account is ' || a.state
         from session s join accounts a on a.id = s.user_id
         where s.ended_at is null and a.state <> 'active'",
    ),
};

static KEYS: Invariant = Invariant {
    name: "accounts.keys-belong-to-games",
    says: "every API key belongs to a registered game and has a scope",
    breaches: Statement::new(
        "check.accounts_keys",
        "select lower({hex k.id}), 'key of game ' || k.game || ' with scopes ' || k.scopes
         from game_key k
         where k.scopes = '' or not exists (select 1 from game g where g.id = k.game)",
    ),
};

static MEMBERS: Invariant = Invariant {
    name: "accounts.members-belong-to-games",
    says: "everyone in a team has an account, and the team's game is registered",
    breaches: Statement::new(
        "check.accounts_members",
        "select m.game || '/' || lower({hex m.user_id}), 'member of no game or without an account'
         from game_member m
         where not exists (select 1 from game g where g.id = m.game) or not exists (select 1 from accounts a where a.id = m.user_id)",
    ),
};

static ADMIN: Invariant = Invariant {
    name: "accounts.an-admin-is-left",
    says: "where somebody was ever made an admin, an active account has that role",
    breaches: Statement::new(
        "check.accounts_admin",
        "select 'accounts', 'no active admin is left'
         from (select 1 as one) t
         where exists (select 1 from audit where act in ('role.granted', 'account.created') and detail like '%\"admin\"%')
           and not exists (select 1 from accounts where state = 'active' and roles / 8 % 2 = 1)",
    ),
};
