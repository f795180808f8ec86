//! What a statement names, read from the tree that Postgres itself made of it when it was given as a view.
//! Refuses node kinds it does not know: a statement that holds one is turned away, not trusted.

use std::collections::BTreeSet;

/// Kinds of nodes that only choose, compute, join and sort; the names of several versions of Postgres.
const NODES: &[&str] = &[
    "AGGREF",
    "ALIAS",
    "ARRAY",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COERCEVIAIO",
    "COLLATE",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "DISTINCTEXPR",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "MINMAX",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "PARAM",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLREF",
    "RELABELTYPE",
    "ROW",
    "ROWCOMPARE",
    "ROWCOMPAREEXPR",
    "ROWEXPR",
    "RTE",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TARGETENTRY",
    "VAR",
    "WHEN",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
];

/// Objects that come with Postgres have numbers below this one (FirstNormalObjectId in its sources).
const BUILT_IN_BELOW: i64 = 16_384;

/// What a statement names, by the numbers of Postgres's catalogue.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) relations: BTreeSet<i64>,
    pub(super) functions: BTreeSet<i64>,
    /// Types that values are turned into, and of constants.
    pub(super) types: BTreeSet<i64>,
    /// Operators that do not come with Postgres.
    pub(super) foreign_operators: BTreeSet<i64>,
    /// Kinds of nodes that may not stand in a recipe.
    pub(super) strange: BTreeSet<String>,
    pub(super) recursive: bool,
}

/// Reads `pg_rewrite.ev_action`.
pub(super) fn read(tree: &str) -> Named {
    let mut named = Named::default();
    let mut label = "";
    for word in words(tree) {
        if let Some(node) = word.strip_prefix('{') {
            if !NODES.contains(&node) {
                named.strange.insert(node.to_owned());
            }
        } else if word.starts_with(':') {
            label = word;
        } else {
            named.note(label, word);
        }
    }
    named
}

impl Named {
    fn note(&mut self, label: &str, value: &str) {
        if label == ":hasRecursive" && value == "true" {
            self.recursive = true;
        }
        let Ok(number) = value.parse::<i64>() else { return };
        match label {
            ":relid" => self.relations.insert(number),
            ":funcid" | ":aggfnoid" | ":winfnoid" => self.functions.insert(number),
            ":consttype" | ":resulttype" | ":funcresulttype" => self.types.insert(number),
            ":opno" | ":eqop" | ":sortop" if number >= BUILT_IN_BELOW => self.foreign_operators.insert(number),
            _ => false,
        };
    }
}

/// The words of the tree: labels, values, and `{NODE`. A backslash keeps the character after it within its word.
fn words(tree: &str) -> impl Iterator<Item = &str> {
    let bytes = tree.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'}')) {
            at += 1;
        }
        let start = at;
        let mut quoted = false;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 1,
                b'"' => quoted = !quoted,
                b'{' if at > start && !quoted => break,
                byte if !quoted && (byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'}')) => break,
                _ => {}
            }
            at += 1;
        }
        let end = at.min(bytes.len());
        (start < end).then(|| &tree[start..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_relations_and_types_are_found_wherever_they_stand() {
        let tree = r#"({QUERY :commandType 1 :hasRecursive false :rtable ({RANGETBLENTRY :alias <> :eref {ALIAS :aliasname p :colnames ("a" "b c")}
            :rtekind 0 :relid 21456 :relkind v} {RANGETBLENTRY :rtekind 0 :relid 1259}) :targetList ({TARGETENTRY :expr {FUNCEXPR :funcid 2626
            :funcresulttype 2278 :args ({CONST :consttype 701 :constvalue 8 [ 0 0 0 ]})} :resname :relid :ressortgroupref 0}
            {TARGETENTRY :expr {AGGREF :aggfnoid 2107 :aggtype 1700}}) :op {OPEXPR :opno 99999 :opfuncid 858}})"#;
        let named = read(tree);
        assert_eq!(named.relations, [1259, 21456].into());
        assert_eq!(named.functions, [2107, 2626].into());
        assert_eq!(named.types, [701, 2278].into());
        assert_eq!(named.foreign_operators, [99_999].into());
        assert_eq!((named.strange.len(), named.recursive), (0, false));
    }

    #[test]
    fn a_name_cannot_pose_as_the_end_of_a_word() {
        let named =
            read(r"({QUERY :hasRecursive true :resname a\ :funcid\ 7\} :x {TABLEFUNC :relid 5} :sql {RANGETBLFUNCTION :funcid 9}})");
        assert_eq!((named.functions, named.relations), ([9].into(), [5].into()));
        assert_eq!(named.strange, ["RANGETBLFUNCTION".to_owned(), "TABLEFUNC".to_owned()].into());
        assert!(named.recursive);
    }
}
