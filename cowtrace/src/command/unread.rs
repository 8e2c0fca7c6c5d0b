//! A target that may be traced and not read: what is said of it.

use std::{io, path::Path};

use crate::{
    memory::{self, Refusal},
    run::UNREAD,
    streams::say_to_user,
    targets::FoundMaster,
};

/// A target whose memory may not be read.
pub(super) struct UnreadTarget {
    pid: u32,
    by: Refusal,
}

impl UnreadTarget {
    /// The first such target. Without the capability for it nothing is traced, which is said elsewhere.
    pub(super) fn among(masters: &[FoundMaster]) -> Option<Self> {
        let root = Path::new("/proc");
        let is_refused = |master: &&FoundMaster| {
            let tried = memory::try_reading(root, master.pid);
            tried.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let pid = masters.iter().find(is_refused)?.pid;
        let by = memory::why_refused(root);
        let is_about_rights = matches!(by, Refusal::NotRoot | Refusal::NoCapability);
        (!is_about_rights).then_some(Self { pid, by })
    }

    fn who(&self) -> String {
        match &self.by {
            Refusal::Confined(by) => by.to_string(),
            _ => "the kernel".to_owned(),
        }
    }

    /// Says so when the trace begins.
    pub(super) fn say(&self) {
        let (who, pid) = (self.who(), self.pid);
        let perhaps = match self.by {
            Refusal::Confined(_) => "",
            _ => ", as in a domain of Landlock",
        };
        say_to_user(format_args!(
            "cowtrace: {who} keeps it from reading process {pid}{perhaps}: copies are counted, but which objects were \
             written, by which line, and what holds them stays unknown"
        ));
    }

    /// What stays unknown, for reports.
    pub(super) fn unknown(&self) -> String {
        let (who, pid) = (self.who(), self.pid);
        format!("{UNREAD} ({who} keeps cowtrace from reading process {pid})")
    }
}
