//! What must always hold of players, currencies and grants.

use db::{Invariant, Statement};

/// The invariants of the team API.
pub static INVARIANTS: &[&Invariant] = &[&BALANCE, &SEQ, &BALANCE_AFTER, &CURRENCY, &GRANTED, &LISTED, &NICKNAME];

static BALANCE: Invariant = Invariant {
    name: "teams.cash-is-the-sum-of-its-entries",
    says: "what a player holds of a currency equals the sum of its ledger rows, and each ledger row belongs to something held",
    breaches: Statement::new(
        "check.cash_balance",
        "select k.game || '/' || k.player || '/' || k.currency, 'balance ' || coalesce(c.balance, 0) || ', entries sum to ' || coalesce(l.total, 0)
         from (select game, player, currency from cash union select game, player, currency from cash_ledger) k
         left join cash c on c.game = k.game and c.player = k.player and c.currency = k.currency
         left join (select game, player, currency, cast(sum(amount) as bigint) as total from cash_ledger group by game, player, currency) l
           on l.game = k.game and l.player = k.player and l.currency = k.currency
         where c.balance is null or coalesce(c.balance, 0) <> coalesce(l.total, 0)",
    ),
};

static SEQ: Invariant = Invariant {
    name: "teams.cash-seq-is-unbroken",
    says: "a player's ledger rows of a currency are numbered from 1 without a gap, as many as are said to be there",
    breaches: Statement::new(
        "check.cash_seq",
        "select game || '/' || player || '/' || currency, 'seq ' || seq || ', ' || entries || ' entries from ' || first_seq || ' to ' || last_seq
         from (
             select c.game, c.player, c.currency, c.seq, count(l.seq) as entries, coalesce(min(l.seq), 1) as first_seq, coalesce(max(l.seq), 0) as last_seq
             from cash c left join cash_ledger l on l.game = c.game and l.player = c.player and l.currency = c.currency
             group by c.game, c.player, c.currency, c.seq
         ) t
         where seq <> entries or first_seq <> 1 or last_seq <> entries",
    ),
};

static BALANCE_AFTER: Invariant = Invariant {
    name: "teams.cash-balance-after-follows",
    says: "each ledger row's balance_after is the one before plus its amount",
    breaches: Statement::new(
        "check.cash_balance_after",
        "select game || '/' || player || '/' || currency || '/' || seq, 'balance_after ' || balance_after || ' after ' || before || ' and ' || amount
         from (
             select game, player, currency, seq, amount, balance_after,
                    coalesce(lag(balance_after) over (partition by game, player, currency order by seq), 0) as before
             from cash_ledger
         ) t
         where balance_after <> before + amount",
    ),
};

static CURRENCY: Invariant = Invariant {
    name: "teams.cash-has-its-currency",
    says: "what players hold is of currencies that their games have",
    breaches: Statement::new(
        "check.cash_currency",
        "select distinct c.game || '/' || c.currency, 'it is held and not defined'
         from cash c left join game_currency g on g.game = c.game and g.currency = c.currency
         where g.game is null",
    ),
};

static GRANTED: Invariant = Invariant {
    name: "teams.grants-gave-to-each-once",
    says: "a grant has a ledger row for each player it has seen to, but for those who were refused, and no other",
    breaches: Statement::new(
        "check.grants_granted",
        "select t.id, t.done || ' seen to, ' || t.refused || ' refused, ' || t.rows_there || ' ledger rows of ' || t.players || ' players'
         from (
             select lower({hex g.id}) as id, g.done, g.refused, count(l.player) as rows_there, count(distinct l.player) as players
             from cash_grant g left join cash_ledger l
               on l.reference = 'grant/' || substr(lower({hex g.id}), 1, 8) || '-' || substr(lower({hex g.id}), 9, 4) || '-'
                      || substr(lower({hex g.id}), 13, 4) || '-' || substr(lower({hex g.id}), 17, 4) || '-' || substr(lower({hex g.id}), 21)
              and l.game = g.game and l.currency = g.currency
             group by g.id, g.done, g.refused
         ) t
         where t.rows_there <> t.done - t.refused or t.players <> t.rows_there",
    ),
};

static LISTED: Invariant = Invariant {
    name: "teams.grants-count-their-lists",
    says: "the list of a grant that is not being removed has as many players as the grant says, in places from 1 without a gap, and refusals among those seen to",
    breaches: Statement::new(
        "check.grants_listed",
        "select lower({hex t.id}), t.total || ' and ' || t.refused || ' refused, listed ' || t.listed || ' to ' || t.last || ' and ' || t.without || ' refused'
         from (
             select g.id, g.total, g.refused, count(r.place) as listed, coalesce(max(r.place), 0) as last,
                    count(case when r.refused is not null and r.place <= g.done then 1 end) as without
             from cash_grant g left join cash_grant_row r on r.grant_id = g.id
             where g.state <> 'removed'
             group by g.id, g.total, g.refused
         ) t
         where t.listed <> t.total or t.last <> t.total or t.without <> t.refused",
    ),
};

static NICKNAME: Invariant = Invariant {
    name: "teams.nicknames-are-found",
    says: "a profile with a nickname has what it is searched by, and one without has none",
    breaches: Statement::new(
        "check.nicknames",
        "select game || '/' || player, 'its nickname and what it is searched by do not go together'
         from player_profile
         where (nickname is null) <> (nickname_key is null)",
    ),
};
