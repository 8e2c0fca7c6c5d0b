//! What a process runs, by its command line: /proc/PID/cmdline. A name of 15 characters does not tell a web
//! worker from a task queue where both are called python3.

use std::{ffi::OsString, fs::File, io::Read as _, path::Path};

use super::fields::read_bounded;

/// Bytes of a command line that are read.
const MOST_READ: u64 = 4096;
/// The same where it is searched.
const MOST_SEARCHED: u64 = 32 << 10;
/// Longer descriptions are cut, characters.
const MAX_LENGTH: usize = 100;
/// Programs that run a script; versions may follow.
const INTERPRETERS: [&str; 10] = [
    "python", "pypy", "ruby", "perl", "php", "node", "bash", "dash", "sh", "Rscript",
];
/// Their options that take the next argument.
const WITH_VALUE: [&str; 7] = ["-W", "-X", "-I", "-r", "--require", "-d", "-S"];
/// Beginnings of the names of dynamic loaders.
const LOADERS: [&str; 3] = ["ld-linux", "ld-musl-", "ld.so"];
/// Their options that take the next argument.
const LOADER_WITH_VALUE: [&str; 7] = [
    "--argv0",
    "--audit",
    "--glibc-hwcaps-mask",
    "--glibc-hwcaps-prepend",
    "--inhibit-rpath",
    "--library-path",
    "--preload",
];
/// Folders of open files.
const DESCRIPTORS: [&str; 3] = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"];
/// Options whose names contain one of these have values that nobody should see.
const SECRET: [&str; 9] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "credential",
    "auth",
    "cookie",
    "session",
];
/// Options whose value is a user, and after a colon a password.
const USERS: [&str; 3] = ["-u", "--user", "-U"];
/// Programs whose option `-p` has a password behind it.
const WITH_PASSWORD: [&str; 3] = ["mysql", "mariadb", "sshpass"];
/// Stands for what is hidden.
const HIDDEN: &str = "***";

/// What a process runs: its script or program without the folder, then its arguments, or the title that it
/// gave itself. Values of options that look like secrets are hidden. None if it is gone, or has no command
/// line.
#[must_use]
pub fn read_command_line(root: &Path, pid: u32) -> Option<String> {
    let file = File::open(root.join(pid.to_string()).join("cmdline")).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes).ok()?;
    described(&String::from_utf8_lossy(&bytes))
}

/// The arguments of a process, joined by spaces, to be searched: nothing is hidden. None if it is gone, or has no
/// command line. At most 32 KiB are read.
#[must_use]
pub fn read_joined_arguments(root: &Path, pid: u32) -> Option<String> {
    let path = root.join(pid.to_string()).join("cmdline");
    let bytes = read_bounded(&path, MOST_SEARCHED).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\0', ' ']).replace('\0', " ");
    (!text.is_empty()).then_some(text)
}

/// What a command that is to be started runs, described as [`read_command_line`] does.
#[must_use]
pub fn describe_command(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    described(&words.join("\0")).unwrap_or_default()
}

/// What a command line runs. Its arguments end with NUL each.
pub(super) fn described(command_line: &str) -> Option<String> {
    let text = command_line.trim_end_matches(['\0', ' ']);
    let mut arguments = text.split('\0');
    let program = arguments.next().filter(|program| !program.is_empty())?;
    let rest: Vec<&str> = arguments.collect();
    let is_title = rest.is_empty() && program.contains(' ');
    let words = if is_title {
        let words: Vec<&str> = program.split(' ').filter(|word| !word.is_empty()).collect();
        let first = words
            .first()
            .map(|first| file_name(first))
            .unwrap_or_default();
        let rest = words.get(1..).unwrap_or_default();
        joined(first, rest)
    } else {
        let (program, rest) = behind_loader(program, &rest);
        let program = file_name(program.trim_start_matches('-'));
        if is_interpreter(program) {
            scripted(program, rest)
        } else {
            joined(program, rest)
        }
    };
    Some(cut(&words))
}

/// The program and the arguments, without the dynamic loader that was called to start them (ld.so(8)).
fn behind_loader<'a>(program: &'a str, arguments: &'a [&'a str]) -> (&'a str, &'a [&'a str]) {
    if !LOADERS.iter().any(|it| file_name(program).starts_with(it)) {
        return (program, arguments);
    }
    let mut left = arguments;
    while let [option, rest @ ..] = left {
        left = match rest {
            [_, rest @ ..] if LOADER_WITH_VALUE.contains(option) => rest,
            _ if option.starts_with("--") => rest,
            _ => return (*option, rest),
        };
    }
    (program, arguments)
}

/// What an interpreter runs.
fn scripted(program: &str, arguments: &[&str]) -> String {
    let mut left = arguments.iter();
    while let Some(&argument) = left.next() {
        let rest = left.as_slice();
        match argument {
            "-m" => {
                let Some((module, rest)) = rest.split_first() else {
                    break;
                };
                return joined(module, rest);
            }
            "-c" | "-e" => {
                let code = rest.first().copied().unwrap_or_default();
                let module = module_of(code).map(str::to_owned);
                return module.unwrap_or_else(|| {
                    if program.ends_with("sh") {
                        joined(program, arguments)
                    } else {
                        format!("{program} {argument}")
                    }
                });
            }
            _ if WITH_VALUE.contains(&argument) => {
                left.next();
            }
            _ if argument.starts_with('-') => {}
            // A file without a name says less than who reads it.
            script if DESCRIPTORS.iter().any(|it| script.starts_with(it)) => break,
            script => return joined(file_name(script), rest),
        }
    }
    joined(program, arguments)
}

/// The module from which code takes what it runs: `multiprocessing.resource_tracker`.
fn module_of(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let after = code.strip_prefix("from ")?;
    let end = after
        .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '.' | '_')))
        .unwrap_or(after.len());
    (end > 0).then(|| &after[..end])
}

/// A program and its arguments, without what looks like a secret.
fn joined(program: &str, arguments: &[&str]) -> String {
    let mut words = vec![program.to_owned()];
    let mut before = "";
    let mut is_secret = false;
    for argument in arguments {
        words.push(if is_secret && !argument.starts_with('-') {
            HIDDEN.into()
        } else if USERS.contains(&before) && argument.contains(':') {
            let user = argument.split(':').next().unwrap_or_default();
            format!("{user}:{HIDDEN}")
        } else if argument.starts_with("-p") && argument.len() > 2 && takes_password(program) {
            format!("-p{HIDDEN}")
        } else {
            without_secret(argument)
        });
        let is_option = argument.starts_with('-') && !argument.contains('=');
        is_secret = is_option && has_secret(argument) || argument.eq_ignore_ascii_case("bearer");
        before = argument;
    }
    words.join(" ")
}

/// An argument whose value is hidden if it looks like a secret: `--password=***`, `redis://***@host`.
fn without_secret(argument: &str) -> String {
    if let Some(end) = end_of_secret_name(argument) {
        return format!("{}{HIDDEN}", &argument[..end]);
    }
    let lower = argument.to_ascii_lowercase();
    if let Some(at) = lower.find("bearer ").map(|at| at + "bearer ".len()) {
        return format!("{}{HIDDEN}", argument.get(..at).unwrap_or_default());
    }
    if let Some((before, after)) = argument.split_once("://")
        && let Some((_, host)) = after.split_once('@')
    {
        return format!("{before}://{HIDDEN}@{host}");
    }
    argument.to_owned()
}

/// Where the value of the first name begins that looks like a secret's: in `--token=x`, `X-Api-Key: x`,
/// `dsn=host=db password=x`.
fn end_of_secret_name(argument: &str) -> Option<usize> {
    let lower = argument.to_ascii_lowercase();
    let names = SECRET.iter().filter_map(|part| lower.find(part));
    let name = names.min()?;
    let end = lower[name..].find(['=', ':'])?;
    Some(name + end + 1)
}

/// Also `mysqldump`.
fn takes_password(program: &str) -> bool {
    WITH_PASSWORD.iter().any(|name| program.starts_with(name))
}

fn has_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

fn is_interpreter(program: &str) -> bool {
    let name = program.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    INTERPRETERS.contains(&name)
}

fn file_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.is_empty() { path } else { name }
}

fn cut(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.by_ref().take(MAX_LENGTH).collect();
    if letters.next().is_some() {
        format!("{first}…")
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> String {
        described(&arguments.join("\0")).unwrap_or_default()
    }

    #[test]
    fn a_script_stands_for_its_interpreter() {
        assert_eq!(
            of(&["/usr/bin/python3.11", "-u", "/srv/app.py", "80"]),
            "app.py 80"
        );
        assert_eq!(
            of(&["python3", "-X", "dev", "-m", "celery", "worker"]),
            "celery worker"
        );
        assert_eq!(of(&["/usr/bin/perl", "/usr/bin/starman"]), "starman");
        assert_eq!(of(&["python3"]), "python3");
        assert_eq!(of(&["python3", "-"]), "python3 -");
        assert_eq!(of(&["-bash"]), "bash");
        assert_eq!(
            of(&["/usr/sbin/apache2", "-k", "start"]),
            "apache2 -k start"
        );
    }

    #[test]
    fn a_script_from_an_open_file_goes_by_its_interpreter() {
        assert_eq!(of(&["bash", "/dev/fd/3"]), "bash /dev/fd/3");
        assert_eq!(
            of(&["/bin/sh", "-e", "/dev/stdin", "x"]),
            "sh -e /dev/stdin x"
        );
    }

    #[test]
    fn the_loader_that_starts_a_program_is_left_out() {
        let loader = "/lib64/ld-linux-x86-64.so.2";
        let options = ["--library-path", "/opt/lib", "--inhibit-cache"];
        let with = |rest: &[&str]| of(&[&[loader][..], &options, rest].concat());
        assert_eq!(with(&["/opt/bin/python3", "app.py"]), "app.py");
        assert_eq!(with(&["/opt/bin/redis-server"]), "redis-server");
        assert_eq!(of(&["/lib/ld-musl-x86_64.so.1", "/bin/ls", "-l"]), "ls -l");
        assert_eq!(of(&[loader, "--help"]), "ld-linux-x86-64.so.2 --help");
        assert_eq!(of(&[loader, "--argv0"]), "ld-linux-x86-64.so.2 --argv0");
    }

    #[test]
    fn code_goes_by_the_module_that_it_imports() {
        let tracker = "from multiprocessing.resource_tracker import main;main(6)";
        assert_eq!(
            of(&["python3", "-s", "-c", tracker]),
            "multiprocessing.resource_tracker"
        );
        assert_eq!(of(&["sh", "-c", "sleep 5"]), "sh -c sleep 5");
        assert_eq!(of(&["python3", "-c"]), "python3 -c");
        assert_eq!(of(&["python3", "-c", "import sys\nprint(1)"]), "python3 -c");
    }

    #[test]
    fn a_title_is_kept() {
        assert_eq!(of(&["gunicorn: worker [app]"]), "gunicorn: worker [app]");
        assert_eq!(
            described("postgres: writer      \0\0\0").as_deref(),
            Some("postgres: writer")
        );
        assert_eq!(of(&["/usr/bin/redis-server *:6379"]), "redis-server *:6379");
        assert_eq!(described("\0\0"), None);
        assert_eq!(described(""), None);
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden() {
        assert_eq!(
            of(&["app", "--db-password=x", "--password", "y", "z"]),
            "app --db-password=*** --password *** z"
        );
        assert_eq!(
            of(&["app", "redis://me:x@host/0"]),
            "app redis://***@host/0"
        );
        assert_eq!(of(&["app --token=x"]), "app --token=***");
        assert_eq!(of(&["curl", "-u", "me:x", "y"]), "curl -u me:*** y");
        assert_eq!(of(&["mysqldump", "-px", "db"]), "mysqldump -p*** db");
        assert_eq!(of(&["app", "-p8000"]), "app -p8000");
        assert_eq!(of(&["app", "Bearer", "x"]), "app Bearer ***");
        assert_eq!(of(&["app", "-H", "Bearer x"]), "app -H Bearer ***");
        assert_eq!(of(&["curl", "-H", "X-Api-Key: x"]), "curl -H X-Api-Key:***");
        assert_eq!(
            of(&["app", "host=db Password=x"]),
            "app host=db Password=***"
        );
        assert_eq!(of(&["app", "{\"token\": 1}"]), "app {\"token\":***");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = of(&["app", &"ä".repeat(200)]);
        assert_eq!(long.chars().count(), MAX_LENGTH + 1);
        let own = read_command_line(Path::new("/proc"), std::process::id());
        assert!(own.is_some_and(|own| own.contains("cowtrace")));
    }
}
