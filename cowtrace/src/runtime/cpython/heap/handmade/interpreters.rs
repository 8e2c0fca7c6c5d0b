//! A second interpreter in a handmade heap.

use super::objects::{Heap, INTERPRETER, OTHER_INTERPRETER, RUNTIME};

impl Heap {
    /// A second interpreter, newer than the first: its `app.data` and its `blog.posts` hold a text each.
    pub(crate) fn add_interpreter(&mut self) -> [u64; 2] {
        let texts = ["text of app", "text of blog"].map(|text| self.text(text));
        let lists = texts.map(|text| self.list(&[text]));
        let names = ["data", "posts", "app", "blog", "hexversion", "sys"];
        let names = names.map(|name| self.text(name));
        let app = self.module(&[(names[0], lists[0])]);
        let blog = self.module(&[(names[1], lists[1])]);
        let version = self.number(u64::from(self.offsets.version) << 16 | 0xf0);
        let system = self.module(&[(names[4], version)]);
        let modules = self.dict(&[(names[2], app), (names[3], blog), (names[5], system)]);
        let roots = self.offsets.roots;
        self.put(RUNTIME + roots.interpreters, &[OTHER_INTERPRETER]);
        self.put(OTHER_INTERPRETER + roots.next_interpreter, &[INTERPRETER]);
        self.put(OTHER_INTERPRETER + roots.interpreter_id, &[3]);
        self.put(OTHER_INTERPRETER + roots.modules, &[modules]);
        texts
    }
}
