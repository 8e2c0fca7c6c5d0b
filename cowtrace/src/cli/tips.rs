//! Tips for wrong usage: the command that the user probably meant.

use std::{env, ffi::OsString, path::Path};

use clap::{
    CommandFactory as _, Error, Parser as _,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{Cli, usage};
use crate::foreign::{is_harmful, printable, shell_quoted};

/// How many words of the user's command a tip repeats at most.
const MOST_WORDS: usize = 12;

/// Jaro-Winkler similarity from which a word counts as a misspelling: swapping two of six letters
/// gives 0.94.
const SIMILAR: f64 = 0.9;
/// Options of more letters may be misspelt by two.
const LONG: usize = 5;

/// Words that other tools use for recording a trace.
const RECORD: [&str; 3] = ["record", "rec", "save"];
/// Words that other tools use for tracing a command.
const START: [&str; 5] = ["trace", "run", "start", "exec", "launch"];
/// Words that other tools use for tracing a process.
const ATTACH: [&str; 4] = ["attach", "pid", "watch", "top"];

/// The arguments of this process; an error if they make no sense or ask for help.
pub fn parse_arguments() -> Result<Cli, Error> {
    let arguments: Vec<OsString> = env::args_os().collect();
    let cli = Cli::try_parse_from(&arguments).map_err(|error| with_tip(error, &arguments))?;
    usage::check_usage(&cli)?;
    Ok(cli)
}

/// The error with a tip; everything that it quotes is escaped.
fn with_tip(mut error: Error, arguments: &[OsString]) -> Error {
    if let Some(tip) = tip_for(&mut error, arguments) {
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tips);
    }
    remove_far_fetched_value(&mut error);
    let quoted: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) if text.contains(is_harmful) => Some((kind, text.clone())),
            _ => None,
        })
        .collect();
    for (kind, text) in quoted {
        error.insert(kind, ContextValue::String(printable(&text)));
    }
    error
}

/// Takes the value away that clap offers for another which is hardly like it, as html for xml.
fn remove_far_fetched_value(error: &mut Error) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let values = (
        text(ContextKind::InvalidValue),
        text(ContextKind::SuggestedValue),
    );
    if let (Some(given), Some(offered)) = values
        && strsim::jaro_winkler(given, offered) < SIMILAR
    {
        error.remove(ContextKind::SuggestedValue);
    }
}

fn tip_for(error: &mut Error, arguments: &[OsString]) -> Option<String> {
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return two_recordings(arguments).map(|command| format!("did you mean `{command}`?"));
    }
    // To clap, a word where no subcommand stands is an argument, because options may stand here as
    // well.
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    if word.starts_with('-') {
        let word = word.clone();
        let subcommand = subcommand_with(&word);
        let tip = subcommand.map(|it| format!("{word} is an option of `cowtrace {it}`"));
        let tip = tip.or_else(|| Some(format!("did you mean `{}`?", similar_option(&word)?)))?;
        // clap would take it for a value.
        error.remove(ContextKind::SuggestedArg);
        return Some(tip);
    }
    let place = arguments
        .iter()
        .skip(1)
        .position(|it| it.to_str() == Some(word))?
        + 1;
    let (before, after) = (&arguments[1..place], &arguments[place + 1..]);
    intended_command(word, before, after).map(|command| format!("did you mean `{command}`?"))
}

/// The subcommand that has this option.
fn subcommand_with(option: &str) -> Option<String> {
    let name = option.strip_prefix("--")?;
    let cli = Cli::command();
    let mut commands = cli.get_subcommands().filter(|it| !it.is_hide_set());
    let found = commands.find(|it| it.get_opts().any(|it| it.get_long() == Some(name)))?;
    Some(found.get_name().to_owned())
}

/// The option of a trace that this misspells: by one letter, or by two in a long one.
fn similar_option(option: &str) -> Option<String> {
    let given = option.strip_prefix("--")?.split('=').next()?;
    let cli = Cli::command();
    let names = cli.get_opts().filter(|it| !it.is_hide_set());
    let names = names.filter_map(clap::Arg::get_long);
    let mistakes = names.map(|name| (strsim::damerau_levenshtein(given, name), name));
    let (mistakes, name) = mistakes.min()?;
    let most = if name.len() > LONG { 2 } else { 1 };
    (mistakes <= most).then(|| format!("--{name}"))
}

/// The comparison that was meant by two recordings without an option between them.
fn two_recordings(arguments: &[OsString]) -> Option<String> {
    let (first, rest) = arguments.get(1..)?.split_first()?;
    let is_recording = |word: &&OsString| !word.to_string_lossy().starts_with('-');
    match rest {
        [base, new] if first == "diff" && rest.iter().all(|it| is_recording(&it)) => {
            let words = ["diff".into(), base.clone(), "--against".into(), new.clone()];
            Some(format!("cowtrace {}", as_shell_words(&words)))
        }
        _ => None,
    }
}

/// The command that was probably meant; none if there is no good guess.
fn intended_command(word: &str, before: &[OsString], after: &[OsString]) -> Option<String> {
    let is = |words: &[&str]| words.contains(&word);
    let pid = || {
        let number = after.iter().find(|it| is_number(&it.to_string_lossy()));
        number.map_or_else(|| "PID".into(), |it| it.to_string_lossy().into_owned())
    };
    let rest = |or: &str| {
        let after = after.strip_prefix(&[OsString::from("--")]).unwrap_or(after);
        if after.is_empty() {
            or.to_owned()
        } else {
            as_shell_words(after)
        }
    };
    let options = if before.is_empty() {
        String::new()
    } else {
        format!("{} ", as_shell_words(before))
    };
    if is_number(word) {
        Some(format!("cowtrace {options}--pid {word}"))
    } else if word.ends_with(".service") {
        Some(format!("cowtrace {options}--unit {}", shell_quoted(word)))
    } else if is(&ATTACH) {
        Some(format!("cowtrace {options}--pid {}", pid()))
    } else if is(&RECORD) {
        let command = rest("COMMAND");
        Some(format!("cowtrace {options}-o run.cow -- {command}"))
    } else if is(&START) {
        Some(format!("cowtrace {options}-- {}", rest("COMMAND")))
    } else if let Some(subcommand) = similar_subcommand(word) {
        Some(format!("cowtrace {options}{subcommand}"))
    } else if is_program(word) || !after.is_empty() {
        // With arguments it is a command, though it may be in no folder of PATH that sudo gives.
        let command = [&[OsString::from(word)], after].concat();
        Some(format!("cowtrace {options}-- {}", as_shell_words(&command)))
    } else {
        None
    }
}

/// The subcommand that the word misspells.
fn similar_subcommand(word: &str) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(word, name);
    let cli = Cli::command();
    let names = cli.get_subcommands().filter(|it| !it.is_hide_set());
    names
        .map(|it| it.get_name().to_owned())
        .filter(|name| likeness(name) >= SIMILAR)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a shell would find a program with this name.
fn is_program(word: &str) -> bool {
    if word.contains('/') {
        return Path::new(word).is_file();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(word).is_file())
}

/// The arguments, quoted for a shell.
fn as_shell_words(arguments: &[OsString]) -> String {
    let mut words: Vec<String> = arguments
        .iter()
        .take(MOST_WORDS)
        .map(|it| shell_quoted(&it.to_string_lossy()))
        .collect();
    if arguments.len() > MOST_WORDS {
        words.push("…".into());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let error = Cli::try_parse_from(&arguments).expect_err("an error");
        with_tip(error, &arguments).to_string()
    }

    #[test]
    fn what_was_meant_is_told_as_a_command() {
        for (arguments, tip) in [
            (&["sleep", "1"][..], "`cowtrace -- sleep 1`"),
            (
                &["-d", "3", "/bin/sh", "-c", "a b"],
                "`cowtrace -d 3 -- /bin/sh -c 'a b'`",
            ),
            (
                &["no-such-program", "app:app"],
                "`cowtrace -- no-such-program app:app`",
            ),
            (&["record"], "`cowtrace -o run.cow -- COMMAND`"),
            (&["record", "--", "ls"], "`cowtrace -o run.cow -- ls`"),
            (&["attach", "123"], "`cowtrace --pid 123`"),
            (&["attach"], "`cowtrace --pid PID`"),
            (&["123"], "`cowtrace --pid 123`"),
            (
                &["-d", "3", "web.service"],
                "`cowtrace -d 3 --unit web.service`",
            ),
            (&["repord"], "`cowtrace report`"),
            (&["doctr"], "`cowtrace doctor`"),
        ] {
            let all = [&["cowtrace"], arguments].concat();
            let error = told(&all);
            assert!(error.contains(tip), "{error}");
            assert_eq!(error.matches("tip:").count(), 1, "{error}");
        }
        for (option, subcommand) in [
            ("--redact", "report"),
            ("--against=x", "diff"),
            ("--since", "heap"),
        ] {
            let error = told(&["cowtrace", option]);
            let option = option.split('=').next().unwrap();
            let tip = format!("tip: {option} is an option of `cowtrace {subcommand}`");
            assert!(error.contains(&tip), "{error}");
            assert_eq!(error.matches("tip:").count(), 1, "{error}");
        }
        for (option, meant) in [("--pdi", "--pid"), ("--outptu=x", "--output")] {
            let error = told(&["cowtrace", option]);
            assert!(
                error.contains(&format!("did you mean `{meant}`?")),
                "{error}"
            );
            assert_eq!(error.matches("tip:").count(), 1, "{error}");
        }
        let without = told(&["cowtrace", "--frequency"]);
        assert!(!without.contains("did you mean"), "{without}");
        let two = told(&["cowtrace", "diff", "a.cow", "b c.cow"]);
        let tip = "did you mean `cowtrace diff a.cow --against 'b c.cow'`?";
        assert!(two.contains(tip), "{two}");
        let nothing = told(&["cowtrace", "no-such-program-at-all"]);
        assert!(!nothing.contains("did you mean"), "{nothing}");
    }

    #[test]
    fn a_value_is_offered_only_for_one_that_is_like_it() {
        for (given, offered) in [("jsn", "'json'"), ("prof", "'pprof'"), ("htm", "'html'")] {
            let error = told(&["cowtrace", "report", "x", "-f", given]);
            assert!(error.contains(&format!("similar value exists: {offered}")));
        }
        for given in ["xml", "yaml", "md", ""] {
            let error = told(&["cowtrace", "report", "x", "-f", given]);
            assert!(error.contains("possible values: text, json"), "{error}");
            assert!(!error.contains("tip:"), "{error}");
        }
    }

    #[test]
    fn what_is_quoted_is_harmless() {
        let error = told(&["cowtrace", "--pid", "1\x1b[2J\n2"]);
        assert!(!error.contains('\x1b'), "{error:?}");
        assert!(error.contains("1\\u{1b}[2J\\u{a}2"), "{error}");
    }
}
