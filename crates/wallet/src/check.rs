//! What must always hold of wallets.

use db::{Invariant, Statement};

/// The invariants of wallets and their ledger.
pub static INVARIANTS: &[&Invariant] = &[&BALANCE, &SEQ, &BALANCE_AFTER];

static BALANCE: Invariant = Invariant {
    name: "wallet.balance-is-the-sum-of-its-entries",
    says: "a wallet's balance equals the sum of its ledger rows, and each ledger row has a wallet",
    breaches: Statement::new(
        "check.wallet_balance",
        "select lower({hex k.user_id}) || '/' || k.currency, 'balance ' || coalesce(w.balance, 0) || ', entries sum to ' || coalesce(l.total, 0)
         from (select user_id, currency from wallet union select user_id, currency from ledger) k
         left join wallet w on w.user_id = k.user_id and w.currency = k.currency
         left join (select user_id, currency, cast(sum(amount) as bigint) as total from ledger group by user_id, currency) l
           on l.user_id = k.user_id and l.currency = k.currency
         where w.balance is null or coalesce(w.balance, 0) <> coalesce(l.total, 0)",
    ),
};

static SEQ: Invariant = Invariant {
    name: "wallet.seq-is-unbroken",
    says: "a wallet's ledger rows are numbered from 1 without a gap, as many as the wallet says",
    breaches: Statement::new(
        "check.wallet_seq",
        "select lower({hex user_id}) || '/' || currency, 'seq ' || seq || ', ' || entries || ' entries from ' || first_seq || ' to ' || last_seq
         from (
             select w.user_id, w.currency, w.seq, count(l.seq) as entries, coalesce(min(l.seq), 1) as first_seq, coalesce(max(l.seq), 0) as last_seq
             from wallet w left join ledger l on l.user_id = w.user_id and l.currency = w.currency
             group by w.user_id, w.currency, w.seq
         ) t
         where seq <> entries or first_seq <> 1 or last_seq <> entries",
    ),
};

static BALANCE_AFTER: Invariant = Invariant {
    name: "wallet.balance-after-follows",
    says: "each ledger row's balance_after is the one before plus its amount",
    breaches: Statement::new(
        "check.wallet_balance_after",
        "select lower({hex user_id}) || '/' || currency || '/' || seq, 'balance_after ' || balance_after || ' after ' || before || ' and ' || amount
         from (
             select user_id, currency, seq, amount, balance_after,
                    coalesce(lag(balance_after) over (partition by user_id, currency order by seq), 0) as before
             from ledger
         ) t
         where balance_after <> before + amount",
    ),
};
