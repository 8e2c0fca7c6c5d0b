//! Values of arguments: their syntax and their limits.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::RangeChoice;
use crate::foreign::is_harmful;

/// Longer than any machine stays up; keeps deadlines within the clock's range.
const LONGEST: Duration = Duration::from_hours(87_600);
const TOO_LONG: &str = "must be under ten years";
const NO_TIME: &str = "must be above 0";

/// A time longer than nothing; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    // A bare number, 0.3 too, is seconds.
    let parsed = match text.parse::<f64>() {
        Ok(seconds) if seconds <= 0.0 => return Err(NO_TIME.into()),
        Ok(seconds) if seconds > LONGEST.as_secs_f64() => return Err(TOO_LONG.into()),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => match humantime::parse_duration(text) {
            Err(humantime::DurationError::NumberOverflow) => return Err(TOO_LONG.into()),
            parsed => parsed.ok(),
        },
    };
    match parsed {
        None => Err("write it like 250ms, 30s, 5m or 1h30m".into()),
        Some(Duration::ZERO) => Err(NO_TIME.into()),
        Some(duration) if duration > LONGEST => Err(TOO_LONG.into()),
        Some(duration) => Ok(duration),
    }
}

/// A process id.
pub(super) fn parse_pid(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err("give the pid of a process; `pgrep -af NAME` lists pids".into()),
    }
}

/// Where to serve: an address with a port, or a port of the loopback address.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    let address = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    address.or_else(|_| {
        text.parse().map_err(|_| {
            "write it like 127.0.0.1:9435 or [::1]:9435, or give a port alone, up to 65535; names are not \
             looked up"
                .into()
        })
    })
}

/// Longest name of a target, bytes.
const MOST_TARGET_NAME: usize = 64;

/// A target's name.
pub(super) fn parse_target_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MOST_TARGET_NAME || text.contains(is_harmful) {
        return Err(format!(
            "a name has at most {MOST_TARGET_NAME} bytes, at least one, and no control characters"
        ));
    }
    Ok(text.into())
}

/// Time between samples.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(50) || interval > Duration::from_hours(1) {
        return Err("must be from 50ms to 1h".into());
    }
    Ok(interval)
}

/// The size of a range.
pub(super) fn parse_range(text: &str) -> Result<RangeChoice, String> {
    if text == "auto" {
        return Ok(RangeChoice::Auto);
    }
    let page = crate::memory::page_bytes();
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err("write it like 4KiB, 64KiB or 1MiB, up to 1GiB, or auto".into()),
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    match bytes {
        Some(bytes) if bytes.is_power_of_two() && bytes >= page && bytes <= 1 << 30 => {
            Ok(RangeChoice::Bytes(bytes))
        }
        _ => Err(format!(
            "must be a power of two from the page size ({page} bytes) to 1GiB"
        )),
    }
}

/// A percentage as a fraction.
pub(super) fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent / 100.0),
        Ok(percent) if percent < 0.0 => Err("must be 0% or more".into()),
        _ => Err("write it like 5%, 0 or more".into()),
    }
}

/// Longest key of a label, bytes: users type it again for `diff --per`.
const MOST_KEY: usize = 128;

/// A label's key, without a value.
pub(super) fn parse_label_key(text: &str) -> Result<String, String> {
    let is_key = !text.is_empty() && !text.contains('=');
    let key = is_key.then(|| parse_label(&format!("{text}=")));
    match key {
        Some(label) => label.map(|(key, _)| key),
        None => Err("give only the name of a label, such as requests".into()),
    }
}

/// A label's key and value.
pub(super) fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, _)) if key.len() > MOST_KEY => {
            Err(format!("a key has at most {MOST_KEY} bytes"))
        }
        Some(_) if text.contains(char::is_control) => {
            Err("a label cannot contain line ends or other control characters".into())
        }
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write it like key=value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_sense() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("0.3"), Ok(Duration::from_millis(300)));
        for bad in [
            "",
            "0",
            "0s",
            "-1",
            "-0.5",
            "nan",
            "inf",
            "ten",
            "10 parsecs",
            "99999999999999",
            "100years",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        // Nothing of how Rust says it.
        let says = |text| parse_duration(text).unwrap_err();
        for text in ["-1", "-0.5", "-inf", "0", "0.0", "0s"] {
            assert_eq!(says(text), NO_TIME, "{text}");
        }
        for text in ["inf", "1e300", "99999999999999", "100years"] {
            assert_eq!(says(text), TOO_LONG, "{text}");
        }
        assert_eq!(says("18446744073709551615years"), TOO_LONG);
        for text in ["", "nan", "ten", "10 parsecs", "5m3"] {
            assert_eq!(
                says(text),
                "write it like 250ms, 30s, 5m or 1h30m",
                "{text}"
            );
        }
        assert!(parse_interval("1ms").is_err() && parse_interval("2h").is_err());
    }

    #[test]
    fn ranges_are_powers_of_two_from_a_page_up() {
        assert_eq!(parse_range("auto"), Ok(RangeChoice::Auto));
        assert_eq!(parse_range("64KiB"), Ok(RangeChoice::Bytes(65_536)));
        assert_eq!(parse_range("1m"), Ok(RangeChoice::Bytes(1 << 20)));
        for bad in [
            "",
            "0",
            "1",
            "3KiB",
            "5000",
            "64QiB",
            "2GiB",
            "-4KiB",
            "99999999999999999999GiB",
        ] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_have_short_keys_of_plain_text() {
        assert_eq!(parse_label("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(parse_label(&format!("{}=1", "k".repeat(MOST_KEY))).is_ok());
        let long = format!("{}=1", "k".repeat(MOST_KEY + 1));
        for bad in ["", "a", "=b", "a\nb=1", "a=\x1b[2J", &long] {
            assert!(parse_label(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_alone_is_a_labels_name() {
        assert_eq!(parse_label_key("requests"), Ok("requests".into()));
        for bad in ["", "requests=5", "a\nb", &"k".repeat(MOST_KEY + 1)] {
            assert!(parse_label_key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn percentages_are_not_negative() {
        assert_eq!(parse_percent("5%"), Ok(0.05));
        assert_eq!(parse_percent("12.5 %"), Ok(0.125));
        assert_eq!(parse_percent("0"), Ok(0.0));
        for bad in ["", "%", "-1%", "nan", "inf", "five"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
    }
}
