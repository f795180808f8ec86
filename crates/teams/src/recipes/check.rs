//! What must always hold of recipes.

use db::{Invariant, Statement};

/// The invariants of recipes.
pub static INVARIANTS: &[&Invariant] = &[&VERSIONS];

static VERSIONS: Invariant = Invariant {
    name: "recipes.versions-are-unbroken",
    says: "a recipe's versions are numbered from 1 without a gap up to the one that runs, and each belongs to a recipe",
    breaches: Statement::new(
        "check.recipe_versions",
        "select k.name, 'version ' || coalesce(p.version, 0) || ', ' || coalesce(v.versions, 0) || ' versions up to ' || coalesce(v.newest, 0)
         from (select name from recipe union select name from recipe_version) k
         left join recipe p on p.name = k.name
         left join (select name, count(*) as versions, min(version) as oldest, max(version) as newest from recipe_version group by name) v
           on v.name = k.name
         where p.version is null or v.versions is null or v.oldest <> 1 or v.newest <> p.version or v.versions <> p.version",
    ),
};
