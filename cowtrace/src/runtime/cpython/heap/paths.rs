//! The tree of variables that the walk has found, and their paths for people.

use std::collections::HashMap;

use super::{kind::ObjectKind, objects::HeapObjects};

/// The step from an object to the next: a kind and an address or number in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathLabel(u64);

/// Longer keys are cut, characters.
const MAX_KEY: usize = 40;
const VALUE_BITS: u32 = 48;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Way {
    /// Memory of the object itself.
    None,
    Module,
    /// A function with a frame on a thread's stack: its code.
    Frame,
    Thread,
    Interpreter,
    Attribute,
    Member,
    Local,
    Closure,
    Key,
    Index,
    Element,
    /// A member of an object without a known name.
    Hidden,
    Temporary,
    Fixed,
    /// A column of a `DataFrame`.
    Column,
    /// Columns of one whose items alternate.
    Columns,
    /// A class, by its whole name.
    Class,
}

const WAYS: [Way; 18] = [
    Way::None,
    Way::Module,
    Way::Frame,
    Way::Thread,
    Way::Interpreter,
    Way::Attribute,
    Way::Member,
    Way::Local,
    Way::Closure,
    Way::Key,
    Way::Index,
    Way::Element,
    Way::Hidden,
    Way::Temporary,
    Way::Fixed,
    Way::Column,
    Way::Columns,
    Way::Class,
];

/// Attributes of the interpreter's own objects.
const FIXED: [&str; 9] = [
    "__self__",
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__globals__",
    "__code__",
    "__bases__",
    "__mro__",
    "base",
];
/// What a `DataFrame` keeps its columns in: not a part of their names.
const MANAGER: &str = "._mgr";
/// What a `Series` keeps its array in.
const SERIES: &str = "._mgr.blocks[0].<inside>";
/// A step without a name.
const INSIDE: &str = ".<inside>";

impl PathLabel {
    pub(super) const NONE: Self = Self::new(Way::None, 0);
    pub(super) const HIDDEN: Self = Self::new(Way::Hidden, 0);
    pub(super) const ELEMENT: Self = Self::new(Way::Element, 0);
    pub(super) const TEMPORARY: Self = Self::new(Way::Temporary, 0);
    pub(super) const THREAD: Self = Self::new(Way::Thread, 0);
    pub(super) const INTERPRETER: Self = Self::new(Way::Interpreter, 0);

    const fn new(way: Way, value: u64) -> Self {
        Self((way as u64) << VALUE_BITS | (value & ((1 << VALUE_BITS) - 1)))
    }

    pub(super) const fn module(name: u64) -> Self {
        Self::new(Way::Module, name)
    }

    pub(super) const fn frame(code: u64) -> Self {
        Self::new(Way::Frame, code)
    }

    pub(super) const fn attribute(name: u64) -> Self {
        Self::new(Way::Attribute, name)
    }

    pub(super) const fn member(name: u64) -> Self {
        Self::new(Way::Member, name)
    }

    pub(super) const fn local(name: u64) -> Self {
        Self::new(Way::Local, name)
    }

    pub(super) const fn closure(name: u64) -> Self {
        Self::new(Way::Closure, name)
    }

    pub(super) const fn key(key: u64) -> Self {
        Self::new(Way::Key, key)
    }

    pub(super) const fn index(index: u64) -> Self {
        Self::new(Way::Index, index)
    }

    pub(super) const fn column(name: u64) -> Self {
        Self::new(Way::Column, name)
    }

    /// By their place among [`HeapObjects::together`].
    pub(super) const fn columns(place: usize) -> Self {
        Self::new(Way::Columns, place as u64)
    }

    /// A class that only its objects lead to.
    pub(super) const fn class(address: u64) -> Self {
        Self::new(Way::Class, address)
    }

    pub(super) fn fixed(name: &str) -> Self {
        let index = FIXED.iter().position(|known| *known == name);
        Self::new(Way::Fixed, index.unwrap_or(0) as u64)
    }

    pub(super) const fn value(self) -> u64 {
        self.0 & ((1 << VALUE_BITS) - 1)
    }

    fn way(self) -> Way {
        let index = (self.0 >> VALUE_BITS) as usize;
        WAYS.get(index).copied().unwrap_or(Way::None)
    }

    /// Whether it leads to a module.
    pub(super) fn is_module(self) -> bool {
        self.way() == Way::Module
    }

    /// Whether it leads to a column, or to several, which are a part of an object.
    pub(super) fn is_column(self) -> bool {
        matches!(self.way(), Way::Column | Way::Columns)
    }

    /// Whether it leads to several columns.
    pub(super) fn is_of_columns(self) -> bool {
        self.way() == Way::Columns
    }

    /// The address of an attribute's name; none if it is no attribute.
    pub(super) fn attribute_name(self) -> Option<u64> {
        (self.way() == Way::Attribute).then(|| self.value())
    }

    /// Whether it leads to a frame on a thread's stack, which is not an object.
    pub(super) fn is_frame(self) -> bool {
        self.way() == Way::Frame
    }

    /// What the state of a thread or of an interpreter is that it leads to, which is no object; none if it leads to an
    /// object.
    pub(super) fn state(self) -> Option<&'static str> {
        match self.way() {
            Way::Thread => Some("thread state"),
            Way::Interpreter => Some("interpreter state"),
            _ => None,
        }
    }

    /// Whether paths begin with it.
    pub(super) fn is_root(self) -> bool {
        matches!(
            self.way(),
            Way::Module | Way::Frame | Way::Thread | Way::Interpreter
        )
    }

    /// Whether it belongs to the node above, with no name of its own.
    pub(super) fn is_none(self) -> bool {
        self.way() == Way::None
    }
}

/// No node.
pub(super) const ROOT: u32 = u32::MAX;

/// An object on a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathNode {
    pub(super) parent: u32,
    pub(super) label: PathLabel,
    /// Its address; 0 if it is not an object.
    pub(super) object: u64,
    pub(super) depth: u8,
}

/// Nodes; a child comes after its parent.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<PathNode>,
    /// The interpreters of those roots whose names do not say which one it is.
    interpreters: HashMap<u32, u64>,
}

/// Most nodes: 8 MiB.
pub(super) const MAX_NODES: usize = 1 << 18;
/// Most equal steps in a row that are shown one by one.
const MAX_REPEATED: usize = 3;

impl Tree {
    /// Adds a node; none if there is no room.
    pub(super) fn add(&mut self, parent: u32, label: PathLabel, object: u64) -> Option<u32> {
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        let depth = match self.nodes.get(parent as usize) {
            Some(node) => node.depth.saturating_add(u8::from(!label.is_none())),
            None => 0,
        };
        self.nodes.push(PathNode {
            parent,
            label,
            object,
            depth,
        });
        Some(self.nodes.len() as u32 - 1)
    }

    /// Notes that a root's name is one in this interpreter, unless that is the main one (0).
    pub(super) fn belongs_to(&mut self, root: Option<u32>, interpreter: u64) {
        if let Some(root) = root.filter(|_| interpreter != 0) {
            self.interpreters.insert(root, interpreter);
        }
    }

    /// The number that the next node gets; none if there is no room.
    pub(super) fn next(&self) -> Option<u32> {
        (self.nodes.len() < MAX_NODES).then_some(self.nodes.len() as u32)
    }

    /// The nodes from a root to this one, without those that have no name of their own; and the
    /// root's interpreter, if that has to be said.
    fn steps(&self, node: u32) -> (Vec<PathNode>, Option<u64>) {
        let mut steps = Vec::new();
        let (mut root, mut next) = (node, node);
        while let Some(node) = self.nodes.get(next as usize) {
            if !node.label.is_none() {
                steps.push(*node);
            }
            root = next;
            next = node.parent;
        }
        steps.reverse();
        (steps, self.interpreters.get(&root).copied())
    }

    /// Whether the second node is the first, or on the way to it.
    pub(super) fn is_below(&self, node: u32, other: u32) -> bool {
        let mut next = node;
        while let Some(node) = self.nodes.get(next as usize) {
            if next == other {
                return true;
            }
            next = node.parent;
        }
        false
    }

    /// The path of a node, in Python's syntax where possible; none if a name in it is gone. From
    /// outside: may contain any character.
    pub(super) fn path(&self, node: u32, objects: &mut HeapObjects<'_>) -> Option<String> {
        let (steps, interpreter) = self.steps(node);
        let mut path =
            interpreter.map_or_else(String::new, |number| format!("interpreter {number}: "));
        let start = path.len();
        let (mut last, mut repeated) = (String::new(), 0);
        for step in steps {
            let text = step.label.text(objects)?;
            if step.label.is_column() && last == MANAGER {
                path.truncate(path.len().saturating_sub(MANAGER.len()));
            }
            // A task, held by what waits for it: its function says more.
            if step.label.way() == Way::Local
                && path.contains(INSIDE)
                && let Some(function) = self.function_of(step.parent, objects)
            {
                path.truncate(start);
                path.push_str(&function);
            }
            repeated = if text == last { repeated + 1 } else { 0 };
            match repeated {
                0..MAX_REPEATED => path.push_str(&text),
                // The same step repeated, as in a linked list.
                MAX_REPEATED => path.push('…'),
                _ => {}
            }
            last = text;
        }
        Some(path.replace(SERIES, ""))
    }

    /// The function of a suspended call, `name()`.
    fn function_of(&self, node: u32, objects: &mut HeapObjects<'_>) -> Option<String> {
        let address = self.nodes.get(node as usize)?.object;
        let code = objects.suspended_code(address)?;
        PathLabel::frame(code).text(objects)
    }
}

impl PathLabel {
    fn text(self, objects: &mut HeapObjects<'_>) -> Option<String> {
        let value = self.value();
        let mut name = |at| objects.text(at).map(|(text, _)| text);
        Some(match self.way() {
            Way::None => String::new(),
            Way::Module => name(value)?,
            Way::Attribute => format!(".{}", name(value)?),
            Way::Local => format!(" local {}", name(value)?),
            Way::Closure => format!(" closure {}", name(value)?),
            Way::Frame => {
                let name = objects.member(value, objects.offsets.code.name);
                let (text, _) = objects.text(name)?;
                format!("{text}()")
            }
            Way::Thread => "a thread's own".into(),
            Way::Interpreter => "the interpreter's own".into(),
            Way::Member => {
                let name = objects.c_name(value);
                format!(".{}", name.unwrap_or_else(|| "?".into()))
            }
            Way::Key | Way::Column => format!("[{}]", key(value, objects)),
            Way::Columns => columns(value, objects)?,
            Way::Class => objects.type_name_at(value)?,
            Way::Index => format!("[{value}]"),
            Way::Element => "{…}".into(),
            Way::Hidden => INSIDE.into(),
            Way::Temporary => " temporary".into(),
            Way::Fixed => format!(".{}", FIXED.get(value as usize).unwrap_or(&"?")),
        })
    }
}

/// Several columns, in the syntax of pandas.
fn columns(place: u64, objects: &mut HeapObjects<'_>) -> Option<String> {
    let together = objects.together.get(usize::try_from(place).ok()?)?.clone();
    let names = together.names.iter().map(|name| key(*name, objects));
    let names: Vec<String> = names.collect();
    let more = match together.others {
        0 => String::new(),
        others => format!(", … {others} more"),
    };
    Some(format!("[[{}{more}]]", names.join(", ")))
}

/// A key of a dict, in Python's syntax.
fn key(address: u64, objects: &mut HeapObjects<'_>) -> String {
    if let Some((text, is_whole)) = objects.text(address) {
        let short: String = text.chars().take(MAX_KEY).collect();
        let more = if is_whole && short.len() == text.len() {
            ""
        } else {
            "…"
        };
        return format!("'{short}{more}'");
    }
    if let Some(number) = objects.number(address) {
        return number.to_string();
    }
    let Some(object) = objects.at(address) else {
        return "?".into();
    };
    let name = match objects.kind(&object) {
        ObjectKind::Type => objects.type_name_at(address),
        _ => objects
            .type_name(object.number)
            .map(|name| format!("<{name}>")),
    };
    name.unwrap_or_else(|| "?".into())
}
