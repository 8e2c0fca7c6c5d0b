//! The program of a handmade heap: its variables, and the interpreter's structures around them.

use super::{
    super::offsets::{Blocks, Offsets},
    objects::{BYTES, Heap, INTERPRETER, LIST, METHOD, OBJECTS, POOL, RUNTIME, THREAD},
};

impl Heap {
    /// The program's variables. Each text is in one of them, except one that two lists share.
    fn variables(&mut self, texts: &[u64]) -> Vec<(u64, u64)> {
        let names = [
            "data", "more", "by_key", "tags", "queue", "handler", "article", "body",
        ];
        let names = names.map(|name| self.text(name));
        let inner = self.list(&texts[..21]);
        let data = self.list(&[inner]);
        let more = self.list(&texts[20..40]);
        let by_key = self.dict(&[(texts[40], texts[41]), (texts[42], texts[43])]);
        let by_key = self.tuple(&[by_key]);
        let tags = self.set(&texts[44..46]);
        let queue = self.deque(&texts[46..49]);
        let (handler, code) = self.function(names[5], names[6], [texts[49], texts[50]], 0);
        self.handler = handler;
        self.article("slug", names[7]);
        let article = self.instance(names[7], texts[51], texts[52]);
        let method = self.object(48, &[1, METHOD, handler, article]);
        let suspended = self.generator(code, &[texts[53], method, texts[54]]);
        let running = self.object(400, &[]);
        self.frame(running, code, &[texts[55], suspended, texts[56]]);
        let frame = self.offsets.roots.frame;
        match frame.1 {
            None => self.put(THREAD + frame.0, &[running]),
            Some(offset) => {
                self.put(THREAD + frame.0, &[THREAD + 0x200]);
                self.put(THREAD + 0x200 + offset, &[running]);
            }
        }
        let values = [data, more, by_key, tags, queue, handler, article, method];
        names.into_iter().zip(values).collect()
    }

    /// A pool with blocks of 64 bytes, all in use.
    fn pool(&mut self) {
        let Blocks::Pools(bytes) = self.offsets.blocks else {
            return;
        };
        let last = bytes - 64;
        self.put(
            POOL,
            &[(bytes - 48) / 64, 0, 0, 0, 3 << 32, bytes | last << 32],
        );
        for block in 0..8 {
            self.put(POOL + 48 + block * 64, &[1, LIST, 0, 0, 0]);
        }
    }

    /// `app` with its variables and the texts that they hold; and the heap.
    pub(crate) fn made(offsets: &Offsets) -> (Self, Vec<u64>) {
        let mut heap = Self {
            bytes: vec![0; BYTES],
            next: OBJECTS,
            offsets: *offsets,
            made: Vec::new(),
            handler: 0,
        };
        heap.classes();
        let texts: Vec<u64> = (0..57).map(|n| heap.text(&format!("text {n}"))).collect();
        let variables = heap.variables(&texts);
        let names = ["hexversion", "app", "sys"].map(|name| heap.text(name));
        let app = heap.module(&variables);
        let version = heap.number(u64::from(offsets.version) << 16 | 0xf0);
        let system = heap.module(&[(names[0], version)]);
        let modules = heap.dict(&[(names[1], app), (names[2], system)]);
        heap.pool();
        let roots = offsets.roots;
        heap.put(RUNTIME + roots.interpreters, &[INTERPRETER]);
        heap.put(INTERPRETER + roots.modules, &[modules]);
        heap.put(INTERPRETER + roots.threads, &[THREAD]);
        (heap, texts)
    }
}
