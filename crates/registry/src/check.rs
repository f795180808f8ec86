//! What must always hold of the registry.

use db::{Invariant, Statement};

/// The invariants of instances and leases.
pub static INVARIANTS: &[&Invariant] = &[&LEASED, &VERSIONS];

static LEASED: Invariant = Invariant {
    name: "registry.who-is-there-has-a-lease",
    says: "an instance has a lease exactly when it is not gone",
    breaches: Statement::new(
        "check.registry_leases",
        "select k.id, 'status ' || coalesce(i.status, 'none') || case when l.instance is null then ', no lease' else ', a lease' end
         from (select id from instance union select instance from lease) k
         left join instance i on i.id = k.id
         left join lease l on l.instance = k.id
         where (coalesce(i.status, 'gone') = 'gone') <> (l.instance is null)",
    ),
};

static VERSIONS: Invariant = Invariant {
    name: "registry.versions-are-given-out-once",
    says: "no instance has a version above the feed's, and no two have the same",
    breaches: Statement::new(
        "check.registry_versions",
        "select i.id, 'version ' || i.version || ' of ' || f.version || ', ' || i.sharing || ' have it'
         from (select id, version, count(*) over (partition by version) as sharing from instance) i, registry f
         where i.version > f.version or i.sharing > 1",
    ),
};
