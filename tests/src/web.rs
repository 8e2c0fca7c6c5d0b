//! HTTP as a client of a server on this machine.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// An answer of a server.
#[derive(Debug)]
pub struct Answer {
    /// The first line and the headers, in small letters.
    pub head: String,
    /// What follows them.
    pub body: Vec<u8>,
}

impl Answer {
    /// Its body, if that is what was asked for.
    ///
    /// # Panics
    /// If the server refused, or the body is no text.
    #[must_use]
    pub fn text(self) -> String {
        assert!(self.head.contains(" 200 "), "{self:?}");
        String::from_utf8(self.body).expect("the body is text")
    }
}

/// Asks a server, by its address and port, for a path; `headers` end in line ends.
///
/// # Errors
/// If nobody answers with a whole head.
pub fn get(address: &str, path: &str, headers: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(2)))?;
    // 1.0: the body ends with the connection, and is never in chunks.
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("an answer without an end of its head"))?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    Ok(Answer { head, body })
}
