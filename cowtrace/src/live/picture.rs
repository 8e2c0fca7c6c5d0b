//! The screen without a terminal, for whoever wants to see it, or to know how long it takes.

use std::sync::Arc;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::Size,
};

use super::{
    draw::{draw, fit},
    look::Look,
    state::{Phase, State},
};
use crate::run::Run;

/// A screen in memory.
pub struct Picture {
    look: Look,
    size: Size,
    state: State,
    terminal: Terminal<TestBackend>,
}

impl Picture {
    /// An empty one.
    #[must_use]
    pub fn new(look: Look, width: u16, height: u16) -> Self {
        let size = Size { width, height };
        let Ok(terminal) = Terminal::new(TestBackend::new(width, height));
        Self {
            look,
            size,
            state: State::new(),
            terminal,
        }
    }

    /// Takes in a moment of a trace, as happens once a second.
    pub fn take(&mut self, run: Arc<Run>) {
        self.state.take(run, Phase::Live);
    }

    /// Presses the key of a letter.
    pub fn press(&mut self, letter: char) {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
        self.state.on_key(key);
    }

    /// Draws it, as happens after a moment or a key.
    pub fn draw(&mut self) {
        fit(&mut self.state, self.look, self.size);
        let (state, look) = (&self.state, self.look);
        let Ok(_) = self.terminal.draw(|frame| draw(state, look, frame));
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let buffer = self.terminal.backend().buffer();
        let line = |y| {
            let symbols = (0..self.size.width).map(|x| buffer[(x, y)].symbol());
            symbols.collect::<String>()
        };
        (0..self.size.height).map(line).collect()
    }
}
