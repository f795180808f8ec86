//! Makes a schema, its rows and a statement of which the best index is known from how they are made.
//! Refuses to know the adviser: nothing here comes from it.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A generated case.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) kind: &'static str,
    /// SQL that makes tables and rows, run before everything.
    pub(crate) tables: Vec<String>,
    /// The tables' names.
    pub(crate) names: Vec<String>,
    /// The statement.
    pub(crate) text: String,
    /// Values for its parameters, several sets.
    pub(crate) parameters: Vec<Vec<String>>,
    /// The best index by construction: what stands behind `on`; none where no index helps.
    pub(crate) best: Option<Vec<String>>,
    /// The table and the columns of which every other index is tried.
    pub(crate) tried: (String, Vec<&'static str>),
}

/// A column: its name and the SQL of its value in row `n`.
type Column = (&'static str, String);

struct Making {
    random: StdRng,
    rows: u64,
    table: String,
    number: usize,
}

impl Case {
    pub(crate) fn generate(seed: u64, number: usize) -> Case {
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        let rows = random.random_range(25_000..60_000);
        let making = Making { random, rows, table: format!("g{number}_main"), number };
        match number % 12 {
            0 => making.point(),
            1 => making.two_equal(),
            2 => making.equal_and_range(),
            3 => making.equal_in_order(),
            4 => making.first_of_order(),
            5 => making.sum_of_few(),
            6 => making.rare_state(),
            7 => making.skewed(),
            8 => making.join(),
            9 => making.join_filtered(),
            10 => making.grouped(),
            _ => making.nothing_helps(),
        }
    }
}

impl Making {
    /// A value out of so many, spread without a period that another column has.
    fn spread(&mut self, values: u64) -> String {
        let factor = self.random.random_range(1_000_000_000_u64..4_000_000_000) | 1;
        let shift = self.random.random_range(0..4_000_000_000_u64);
        format!("((n * {factor} + {shift}) % 4294967296) / 16 % {values}")
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.random.random_range(from..to)
    }

    fn sets(&mut self, make: impl Fn(&mut StdRng) -> Vec<u64>) -> Vec<Vec<String>> {
        (0..6).map(|_| make(&mut self.random).iter().map(ToString::to_string).collect()).collect()
    }

    /// A table of columns and a text that makes its rows as wide as such tables are; sometimes with an index that serves another purpose.
    fn table(&mut self, name: &str, columns: &[Column], rows: u64) -> Vec<String> {
        let pad = self.between(20, 120);
        let kind = |name: &str| if name == "state" { "text" } else { "bigint" };
        let defined: Vec<String> = columns.iter().map(|(column, _)| format!("{column} {} not null", kind(column))).collect();
        let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
        let filler = "x".repeat(usize::try_from(pad).expect("small"));
        let mut made = vec![
            format!("create table {name} (id bigint primary key, {}, pad text not null, other bigint not null)", defined.join(", ")),
            format!(
                "insert into {name} (id, {}, pad, other) with recursive c(n) as (select cast(1 as bigint) union all select n + 1 from c where n < {rows}) \
                 select n, {}, '{filler}', n % 977 from c",
                names.join(", "),
                values.join(", ")
            ),
        ];
        if self.random.random_bool(0.4) {
            made.push(format!("create index {name}_other on {name} (other)"));
        }
        made
    }

    fn case(
        mut self,
        kind: &'static str,
        columns: &[Column],
        text: &str,
        parameters: Vec<Vec<String>>,
        best: Option<&str>,
        tried: &[&'static str],
    ) -> Case {
        let (name, rows) = (self.table.clone(), self.rows);
        let tables = self.table(&name, columns, rows);
        let text = text.replace("MAIN", &name);
        let best = best.map(|best| vec![best.replace("MAIN", &name)]);
        Case { kind, tables, names: vec![name.clone()], text, parameters, best, tried: (name, tried.to_vec()) }
    }

    fn point(mut self) -> Case {
        let values = self.between(4_000, 20_000);
        let columns = [("a", self.spread(values)), ("v", self.spread(1_000)), ("w", self.spread(50))];
        let parameters = self.sets(|random| vec![random.random_range(0..values)]);
        self.case("point", &columns, "select v, w, pad from MAIN where a = $1", parameters, Some("MAIN (a)"), &["a"])
    }

    fn two_equal(mut self) -> Case {
        let (many, few) = (self.between(100, 300), self.between(30, 90));
        let columns = [("a", self.spread(many)), ("b", self.spread(few)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![random.random_range(0..few), random.random_range(0..many)]);
        self.case("two equal", &columns, "select v, pad from MAIN where b = $1 and a = $2", parameters, Some("MAIN (a, b)"), &["a", "b"])
    }

    fn equal_and_range(mut self) -> Case {
        let (values, span) = (self.between(20, 80), self.between(2_000, 9_000));
        let columns = [("a", self.spread(values)), ("t", self.spread(100_000)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| {
            let from = random.random_range(0..90_000);
            vec![random.random_range(0..values), from, from + span]
        });
        let text = "select v, pad from MAIN where a = $1 and t >= $2 and t < $3";
        self.case("range", &columns, text, parameters, Some("MAIN (a, t)"), &["a", "t"])
    }

    fn equal_in_order(mut self) -> Case {
        let values = self.between(8, 40);
        let columns = [("a", self.spread(values)), ("t", self.spread(1_000_000)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![random.random_range(0..values)]);
        let text = "select v, t, pad from MAIN where a = $1 order by t desc limit 20";
        self.case("order", &columns, text, parameters, Some("MAIN (a, t)"), &["a", "t"])
    }

    fn first_of_order(mut self) -> Case {
        let columns = [("t", self.spread(1_000_000)), ("v", self.spread(1_000)), ("a", self.spread(9))];
        let text = "select v, t, pad from MAIN order by t desc, v limit 20";
        self.case("first", &columns, text, vec![Vec::new()], Some("MAIN (t desc, v)"), &["t", "v"])
    }

    fn sum_of_few(mut self) -> Case {
        let values = self.between(10, 40);
        let columns = [("a", self.spread(values)), ("v", self.spread(1_000)), ("w", self.spread(50))];
        let parameters = self.sets(|random| vec![random.random_range(0..values)]);
        self.case("covering", &columns, "select sum(v), count(*) from MAIN where a = $1", parameters, Some("MAIN (a, v)"), &["a", "v"])
    }

    fn rare_state(mut self) -> Case {
        let (rare, span) = (self.between(3, 20), self.between(100_000, 400_000));
        let place = self.spread(1_000);
        let state = format!("case when {place} < {rare} then 'failed' when {place} < 200 then 'open' else 'done' end");
        let columns = [("state", state), ("t", self.spread(1_000_000)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![random.random_range(0..1_000_000 - span)]);
        let text = "select v, t, pad from MAIN where state = 'failed' and t > $1 order by t limit 50";
        self.case("partial", &columns, text, parameters, Some("MAIN (t) where state = 'failed'"), &["state", "t"])
    }

    fn skewed(mut self) -> Case {
        // Half of the rows have one of three values, the others one of many; what is asked for is one of the many.
        let many = self.between(2_000, 6_000);
        let (half, value) = (self.spread(100), self.spread(many));
        let columns = [("s", format!("case when {half} < 50 then {half} % 3 else 10 + {value} end")), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![10 + random.random_range(0..many), random.random_range(0..900)]);
        let text = "select v, pad from MAIN where s = $1 and v >= $2";
        self.case("skewed", &columns, text, parameters, Some("MAIN (s, v)"), &["s", "v"])
    }

    fn grouped(mut self) -> Case {
        let (values, groups) = (self.between(15, 60), self.between(5, 30));
        let columns = [("a", self.spread(groups)), ("b", self.spread(values)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![random.random_range(0..values)]);
        let text = "select a, count(*) from MAIN where b = $1 group by a order by a";
        self.case("grouped", &columns, text, parameters, Some("MAIN (b, a)"), &["a", "b"])
    }

    fn nothing_helps(mut self) -> Case {
        let columns = [("a", self.spread(3)), ("v", self.spread(1_000)), ("w", self.spread(50))];
        let parameters = self.sets(|random| vec![random.random_range(0..40)]);
        let text = "select sum(v), count(*), max(pad), min(w), max(a), min(other), max(other), min(id) from MAIN where v >= $1";
        self.case("nothing", &columns, text, parameters, None, &["v"])
    }

    /// A small table whose rows are found by an index that is there, and a large one beside it.
    fn parent(&mut self, codes: u64) -> (String, u64, Vec<String>) {
        let parents = self.between(1_500, 4_000);
        let name = format!("g{}_parent", self.number);
        let columns = [("code", self.spread(codes)), ("kind", self.spread(7))];
        let mut made = self.table(&name, &columns, parents);
        made.push(format!("create index {name}_code on {name} (code)"));
        (name, parents, made)
    }

    fn join(mut self) -> Case {
        let codes = self.between(500, 1_200);
        let (parent, parents, mut tables) = self.parent(codes);
        let columns = [("parent_id", format!("1 + {}", self.spread(parents))), ("v", self.spread(1_000)), ("w", self.spread(50))];
        let parameters = self.sets(|random| vec![random.random_range(0..codes)]);
        let text = format!("select c.v, c.w, c.pad, p.kind from {parent} p join MAIN c on c.parent_id = p.id where p.code = $1");
        let mut case = self.case("join", &columns, &text, parameters, Some("MAIN (parent_id)"), &["parent_id"]);
        tables.append(&mut case.tables);
        case.names.push(parent);
        Case { tables, ..case }
    }

    fn join_filtered(mut self) -> Case {
        let (codes, states) = (self.between(40, 120), self.between(6, 20));
        let (parent, parents, mut tables) = self.parent(codes);
        let columns = [("parent_id", format!("1 + {}", self.spread(parents))), ("s", self.spread(states)), ("v", self.spread(1_000))];
        let parameters = self.sets(|random| vec![random.random_range(0..codes), random.random_range(0..states)]);
        let text = format!(
            "select c.v, c.pad, p.kind from MAIN c join {parent} p on p.id = c.parent_id where p.code = $1 and c.s = $2 order by c.v limit 20"
        );
        let mut case = self.case("join + filter", &columns, &text, parameters, Some("MAIN (parent_id, s)"), &["parent_id", "s", "v"]);
        tables.append(&mut case.tables);
        case.names.push(parent);
        Case { tables, ..case }
    }
}
