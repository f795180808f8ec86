//! Which values of a record a mapping wants, as a tree that is walked along with the record.
//! Knows names and places only; what the values mean is the fields' affair.

use super::json::keys::Keys;

/// Values that a mapping may take from a record, over all levels.
const SLOTS_MAX: usize = 256;
/// Arrays that a mapping may walk, within each other or side by side.
const LEVELS_MAX: usize = 16;

/// Where a field finds its value: so many levels up from its event's row, then a slot.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) up: usize,
    pub(super) slot: usize,
    /// As the mapping wrote it, for details.
    pub(super) name: Box<str>,
}

/// One wanted place of a record.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The value itself is wanted, in this slot of the level.
    pub(super) slot: Option<usize>,
    pub(super) keys: Keys,
    /// Elements of an array that are wanted by their number.
    pub(super) indexes: Vec<(usize, usize)>,
    /// Levels with a row per element, if this is an array.
    pub(super) each: Vec<usize>,
    /// Levels that have this value as one row, at that position.
    pub(super) one: Vec<(usize, usize)>,
}

/// Rows of one kind: the record itself, or the elements of an array.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) parent: usize,
    /// The node of a row's value.
    pub(super) root: usize,
    /// Slots per row.
    pub(super) width: usize,
    /// How it was asked for, to find it again.
    made_by: Vec<Vec<String>>,
    side_by_side: bool,
    /// The names that its fields may have, where those are fixed: columns, or groups of a pattern.
    names: Option<Vec<String>>,
    /// The slot of each of these names that is wanted.
    pub(super) named: Vec<Option<usize>>,
}

/// The tree and its levels. Level 0 is the record; its node is 0.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) nodes: Vec<Node>,
    pub(super) levels: Vec<Level>,
}

impl Shape {
    /// Of records with free names.
    pub(super) fn json() -> Shape {
        Shape { nodes: vec![Node::default()], levels: vec![Level::new(0, 0, Vec::new(), None)] }
    }

    /// Of lines; `names` are the columns, where it has any.
    pub(super) fn lines(names: Vec<String>) -> Shape {
        Shape { nodes: vec![Node::default()], levels: vec![Level::new(0, 0, Vec::new(), Some(names))] }
    }

    /// A level for the groups of one pattern.
    pub(super) fn groups(&mut self, names: Vec<String>) -> usize {
        self.nodes.push(Node::default());
        self.levels.push(Level::new(0, self.nodes.len() - 1, Vec::new(), Some(names)));
        self.levels.len() - 1
    }

    /// The level of the elements of `paths[0]`, or of several values side by side, below a level.
    pub(super) fn each(&mut self, parent: usize, paths: &[Vec<String>], side_by_side: bool) -> Result<usize, String> {
        let is_it = |level: &Level| level.parent == parent && level.made_by == paths && level.side_by_side == side_by_side;
        if let Some(known) = self.levels.iter().position(|level| !level.made_by.is_empty() && is_it(level)) {
            return Ok(known);
        }
        if self.levels.len() == LEVELS_MAX {
            return Err(format!("more than {LEVELS_MAX} arrays: fewer would be right"));
        }
        self.nodes.push(Node::default());
        let (root, made) = (self.nodes.len() - 1, self.levels.len());
        self.levels.push(Level { side_by_side, ..Level::new(parent, root, paths.to_vec(), None) });
        for (position, path) in paths.iter().enumerate() {
            let node = self.walk(self.levels[parent].root, path);
            match side_by_side {
                false => self.nodes[node].each.push(made),
                true => self.nodes[node].one.push((made, position)),
            }
        }
        Ok(made)
    }

    /// Finds the slot of a path that starts at a level's row; asks for it where nobody has yet.
    pub(super) fn source(&mut self, level: usize, path: &Path) -> Result<Source, String> {
        let (mut at, mut up) = (level, path.up);
        for _ in 0..path.up {
            if at == 0 {
                return Err(format!("{} leads above the record: fewer ^ would be right", path.name));
            }
            at = self.levels[at].parent;
        }
        if path.from_record {
            while at != 0 {
                at = self.levels[at].parent;
                up += 1;
            }
        }
        let slot = match &self.levels[at].names {
            Some(names) if !path.steps.is_empty() => {
                let place = names.iter().position(|name| path.steps == [name.as_str()]);
                let place = place.ok_or_else(|| format!("{:?} is not there: one of {} would be right", path.name, listed(names)))?;
                match self.levels[at].named[place] {
                    Some(slot) => slot,
                    None => {
                        let slot = self.take(at)?;
                        self.levels[at].named[place] = Some(slot);
                        slot
                    }
                }
            }
            _ => {
                let node = self.walk(self.levels[at].root, &path.steps);
                match self.nodes[node].slot {
                    Some(slot) => slot,
                    None => {
                        let slot = self.take(at)?;
                        self.nodes[node].slot = Some(slot);
                        slot
                    }
                }
            }
        };
        Ok(Source { up, slot, name: path.name.as_str().into() })
    }

    fn take(&mut self, level: usize) -> Result<usize, String> {
        if self.levels.iter().map(|level| level.width).sum::<usize>() == SLOTS_MAX {
            return Err(format!("more than {SLOTS_MAX} values are wanted: fewer would be right"));
        }
        self.levels[level].width += 1;
        Ok(self.levels[level].width - 1)
    }

    /// The node at a path below a node.
    fn walk(&mut self, from: usize, steps: &[String]) -> usize {
        let mut node = from;
        for step in steps {
            if let Some(known) = self.nodes[node].keys.find(step.as_bytes()) {
                node = known;
                continue;
            }
            let made = self.nodes.len();
            self.nodes.push(Node::default());
            self.nodes[node].keys.add(step, made);
            if let Ok(index) = step.parse() {
                self.nodes[node].indexes.push((index, made));
            }
            node = made;
        }
        node
    }
}

impl Level {
    fn new(parent: usize, root: usize, made_by: Vec<Vec<String>>, names: Option<Vec<String>>) -> Level {
        let named = vec![None; names.as_ref().map_or(0, Vec::len)];
        Level { parent, root, width: 0, made_by, side_by_side: false, names, named }
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "$ (the whole line)".to_owned(),
        names => names.join(", "),
    }
}

/// A path as a mapping writes it: `a.b`, `items.0`, `$.of_the_record`, `^.of_the_level_above`, `@` for the element itself;
/// or as a list of names, where one holds a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    up: usize,
    from_record: bool,
    pub(super) steps: Vec<String>,
    name: String,
}

impl Path {
    /// Reads a dotted path. Where names are fixed (`dotted` is false) a dot is part of the name.
    pub(super) fn dotted(text: &str, dotted: bool) -> Result<Path, String> {
        let steps = match (text, dotted) {
            ("$" | "@", _) => vec![text],
            (_, true) => text.split('.').collect(),
            (_, false) => vec![text],
        };
        Self::steps(text, steps.into_iter().map(str::to_owned).collect())
    }

    /// Reads a list of names.
    pub(super) fn listed(steps: Vec<String>) -> Result<Path, String> {
        Self::steps(&steps.join("."), steps)
    }

    fn steps(name: &str, mut steps: Vec<String>) -> Result<Path, String> {
        if steps.is_empty() || steps.iter().any(String::is_empty) {
            return Err(format!("{name:?} has an empty name: a path as payload.mode would be right"));
        }
        let first = steps[0].as_str();
        let (from_record, up) = (first == "$", if first.bytes().all(|byte| byte == b'^') { first.len() } else { 0 });
        if from_record || up > 0 || first == "@" {
            steps.remove(0);
        }
        Ok(Path { up, from_record, steps, name: name.to_owned() })
    }

    /// Whether it is a plain path below the place where it stands.
    pub(super) fn is_plain(&self) -> bool {
        self.up == 0 && !self.from_record && !self.steps.is_empty()
    }
}
