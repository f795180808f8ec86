//! What must always hold of the catalogue.

use db::{Invariant, Statement};

/// The invariants of products, genres and imports.
pub static INVARIANTS: &[&Invariant] = &[&NAME, &SALE, &VERSION, &GENRES, &DETAIL, &IMPORT];

static NAME: Invariant = Invariant {
    name: "catalogue.a-product-has-a-name",
    says: "no product's name is blank",
    breaches: Statement::new("check.product_name", "select cast(id as text), 'the name is blank' from product where trim(name) = ''"),
};

static SALE: Invariant = Invariant {
    name: "catalogue.a-sale-is-whole",
    says: "a sale has a percentage from 1 to 100, a start and a later end, or none of the three",
    breaches: Statement::new(
        "check.product_sale",
        "select cast(id as text), 'percent ' || coalesce(cast(sale_percent as text), 'none') || ' from ' || coalesce(cast(sale_starts_at as text), 'none')
                || ' to ' || coalesce(cast(sale_ends_at as text), 'none')
         from product
         where (sale_percent is not null or sale_starts_at is not null or sale_ends_at is not null)
           and not coalesce(sale_percent between 1 and 100 and sale_starts_at < sale_ends_at, 1 = 0)",
    ),
};

static VERSION: Invariant = Invariant {
    name: "catalogue.versions-and-ids-were-given-out",
    says: "no product has a version or an id that the catalogue has not given out yet",
    breaches: Statement::new(
        "check.product_version",
        "select cast(p.id as text), 'version ' || p.version || ' where the catalogue is at ' || v.version || ' and gives out id ' || v.next_product || ' next'
         from product p, catalogue_version v
         where p.version > v.version or p.id >= v.next_product",
    ),
};

static GENRES: Invariant = Invariant {
    name: "catalogue.genre-rows-are-the-genres-shown",
    says: "each genre row belongs to a product, and a product has a row for each genre it shows and no other",
    breaches: Statement::new(
        "check.product_genres",
        "select cast(coalesce(s.product, g.product) as text), 'shows ' || coalesce(s.genre, 'nothing') || ', has a row for ' || coalesce(g.genre, 'nothing')
         from (select p.id as product, j.value as genre from product p, json_each(p.genres) j) s
         full join product_genre g on g.product = s.product and g.genre = s.genre
         where s.genre is null or g.genre is null",
    )
    .on_postgres(
        "select cast(coalesce(s.product, g.product) as text), 'shows ' || coalesce(s.genre, 'nothing') || ', has a row for ' || coalesce(g.genre, 'nothing')
         from (select p.id as product, j.value as genre from product p, jsonb_array_elements_text(cast(p.genres as jsonb)) j (value)) s
         full join product_genre g on g.product = s.product and g.genre = s.genre
         where s.genre is null or g.genre is null",
    ),
};

static DETAIL: Invariant = Invariant {
    name: "catalogue.details-belong-to-products",
    says: "each product has its texts, and there are no texts of nothing",
    breaches: Statement::new(
        "check.product_detail",
        "select cast(coalesce(p.id, d.product) as text), case when p.id is null then 'texts without a product' else 'a product without texts' end
         from product p full join product_detail d on d.product = p.id
         where p.id is null or d.product is null",
    ),
};

static IMPORT: Invariant = Invariant {
    name: "catalogue.import-counts-add-up",
    says: "the games an import read are those it added, changed, found unchanged or could not read",
    breaches: Statement::new(
        "check.import_counts",
        "select cast(id as text), games_read || ' read, ' || added || ' added, ' || changed || ' changed, ' || unchanged || ' unchanged, ' || bad || ' bad'
         from import_run
         where games_read <> added + changed + unchanged + bad",
    ),
};
