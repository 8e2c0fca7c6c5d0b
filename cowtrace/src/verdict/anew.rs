//! How a service is made to fork its workers anew: only what workers copy from their fork on is counted whole.

use super::{before::much_unshared_before, growth::processes_at_end};
use crate::{
    run::{Process, Run},
    words::what_runs,
};

/// What workers had unshared before the trace matters from here on, bytes.
const FLOOR_BYTES: u64 = 1 << 20;

/// A server that can be made to fork anew.
struct Server {
    /// In lower case, what its command line or name contains.
    names: &'static [&'static str],
    /// The command, with `PID` for the process that forks.
    command: &'static str,
    /// What it does, and what it costs.
    effect: &'static str,
}

/// By their own documentation. The first that fits.
const SERVERS: [Server; 11] = [
    Server {
        names: &["gunicorn"],
        command: "kill -HUP PID",
        effect: "gunicorn replaces its workers, each when its requests are done; with --preload it does not \
                 load the application again",
    },
    Server {
        names: &["unicorn", "puma", "pitchfork"],
        command: "kill -TTIN PID",
        effect: "it forks one worker more, until kill -TTOU PID",
    },
    Server {
        names: &["uwsgi"],
        command: "kill -HUP PID",
        effect: "uWSGI starts itself again in the same process: it loads the application again",
    },
    Server {
        names: &["celery"],
        command: "celery -A APP control pool_grow 1",
        effect: "Celery forks one worker more, until pool_shrink 1",
    },
    Server {
        names: &["starman", "hypnotoad", "starlet"],
        command: "kill -HUP PID",
        effect: "it replaces its workers, each when its request is done",
    },
    Server {
        names: &["php-fpm"],
        command: "kill -USR2 PID",
        effect: "PHP-FPM starts itself again in the same process and empties its caches",
    },
    Server {
        names: &["apache2", "httpd"],
        command: "apachectl graceful",
        effect: "Apache replaces its processes, each when its request is done",
    },
    Server {
        names: &["nginx"],
        command: "kill -HUP PID",
        effect: "nginx replaces its workers, each when its requests are done",
    },
    Server {
        names: &["postgres", "postmaster"],
        command: "psql -c 'SELECT 1'",
        effect: "PostgreSQL forks a process for each new connection",
    },
    Server {
        names: &["redis-server", "valkey-server"],
        command: "redis-cli BGSAVE",
        effect: "it forks a child that saves",
    },
    Server {
        names: &["sidekiqswarm", "resque", "rq worker"],
        command: "kill -TERM WORKER",
        effect: "its parent forks another one",
    },
];

/// What to do to see copies that workers had made before the trace, after "to count all,"; `None` if they were few.
pub(crate) fn how_to_fork_anew(run: &Run) -> Option<String> {
    much_unshared_before(run, FLOOR_BYTES)?;
    if !has_earlier_workers(run) {
        return None;
    }
    let donors = run.workforce().donors();
    let mut donors = donors.iter().filter_map(|id| run.process(*id));
    Some(match donors.find_map(|donor| command_for(run, donor)) {
        Some((command, effect)) => {
            format!("trace while workers are forked: `{command}` ({effect})")
        }
        None => "trace while workers are forked: restart them during a trace, or begin with `cowtrace -- COMMAND`"
            .into(),
    })
}

/// Whether workers that were there before the trace still lived at its end: their successors are counted whole.
fn has_earlier_workers(run: &Run) -> bool {
    let at_end = processes_at_end(run);
    let workforce = run.workforce();
    let mut earlier = workforce.workers.iter().map(|worker| worker.forked);
    earlier.any(|worker| {
        let lives = at_end.as_ref().is_none_or(|ids| ids.contains(&worker.id));
        worker.started_ns == 0 && lives
    })
}

fn command_for(run: &Run, donor: &Process) -> Option<(String, String)> {
    let name = what_runs(run, donor).to_lowercase();
    let is_it = |server: &&Server| server.names.iter().any(|it| name.contains(it));
    let server = SERVERS.iter().find(is_it)?;
    let with_pid = |text: &str| text.replace("PID", &donor.pid.to_string());
    Some((with_pid(server.command), with_pid(server.effect)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Balance, BalanceIs, CommandLine, PageBalance, Role, Sources, arbitrary};

    /// A worker that was there before the trace. Of 1,000 pages it had unshared `unshared_pages` by then.
    fn run_of(command_line: &str, unshared_pages: u64) -> Run {
        let mut run = arbitrary::empty();
        let process = |id: u32, role| Process {
            id,
            pid: 100 + id,
            parent_id: (id > 0).then_some(0),
            comm: "python3".into(),
            role,
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: (id > 0).then_some(1000),
            target: None,
        };
        run.memory.processes = vec![process(0, Role::Master), process(1, Role::Worker)];
        run.memory.command_lines = vec![CommandLine {
            process_id: 0,
            text: command_line.into(),
        }];
        run.growth.balances = vec![Balance {
            process_id: 1,
            at_ns: 0,
            copied_pages: 0,
            pages: PageBalance {
                is: BalanceIs::Exact,
                shared_pages: 1000 - unshared_pages,
                unshared_pages,
                ..PageBalance::default()
            },
        }];
        run
    }

    #[test]
    fn a_server_that_is_known_gets_its_command() {
        let said = how_to_fork_anew(&run_of("gunicorn: master [app]", 600)).unwrap();
        assert!(said.contains("`kill -HUP 100` (gunicorn"), "{said}");
        let said = how_to_fork_anew(&run_of("puma 6.0 (tcp://0.0.0.0:80)", 600)).unwrap();
        assert!(
            said.contains("`kill -TTIN 100`") && said.contains("kill -TTOU 100"),
            "{said}"
        );
        let said = how_to_fork_anew(&run_of("app.py", 600)).unwrap();
        assert!(said.contains("`cowtrace -- COMMAND`"), "{said}");
    }

    #[test]
    fn little_that_was_unshared_before_needs_none() {
        assert_eq!(how_to_fork_anew(&run_of("gunicorn", 100)), None);
        assert_eq!(how_to_fork_anew(&arbitrary::empty()), None);
    }
}
