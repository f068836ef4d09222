//! How settings that cannot work are refused, and how a number of bytes is written.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use clap::builder::{Resettable, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

/// Exit code for settings that cannot work (`EX_USAGE` of `sysexits.h`).
pub const EXIT_USAGE: i32 = 64;

/// Reads a number of bytes, such as `4096`, `512KiB` or `16MiB`.
///
/// # Errors
///
/// How to write it.
pub fn byte_size(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let unit = |&(name, bytes)| Some((text.strip_suffix(name)?, bytes));
    let (number, unit) = units.iter().find_map(unit).unwrap_or((text, 1));
    let number = number.trim_end().parse::<usize>().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "write a number of bytes, such as 4096, 512KiB or 16MiB".to_owned())
}

/// Reads an address to listen on, such as `127.0.0.1:8000` or `localhost:8000`.
///
/// # Errors
///
/// How to write it.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; write host:port, such as 127.0.0.1:8000"))?;
    addresses
        .next()
        .ok_or_else(|| "the host has no address".to_owned())
}

/// Reads the settings of a process from its arguments and environment. Prints what is wrong and
/// exits with [`EXIT_USAGE`] when they cannot work; `--help` and `--version` exit with 0. An empty variable counts
/// as none. Returns what `check` made of them as well, which is the log as a rule.
pub fn parse_or_exit<S: Parser, C>(
    args: impl IntoIterator<Item = OsString>,
    check: impl FnOnce(&S) -> Result<C, String>,
) -> (S, C) {
    parse_command_or_exit(S::command(), args, check)
}

/// As [`parse_or_exit`], with a command that was changed after it was made from the settings.
pub fn parse_command_or_exit<S: Parser, C>(
    command: Command,
    args: impl IntoIterator<Item = OsString>,
    check: impl FnOnce(&S) -> Result<C, String>,
) -> (S, C) {
    let mut command = command.mut_args(without_empty_variable);
    let matches = command.try_get_matches_from_mut(args);
    let settings = matches.and_then(|mut matches| S::from_arg_matches_mut(&mut matches));
    let settings = settings.unwrap_or_else(|error| exit(error.format(&mut command)));
    match check(&settings) {
        Ok(checked) => (settings, checked),
        Err(reason) => exit(command.error(ErrorKind::ValueValidation, reason)),
    }
}

/// Compose files and Helm charts pass what nobody has set as an empty variable.
fn without_empty_variable(arg: Arg) -> Arg {
    let value = arg.get_env().and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) {
        arg.env(Resettable::Reset)
    } else {
        arg
    }
}

fn exit(error: clap::Error) -> ! {
    // Nothing is left to do when standard error is gone as well.
    let _ = error.print();
    std::process::exit(if error.use_stderr() { EXIT_USAGE } else { 0 })
}

/// Reads the value of a setting that may hold a password: an error does not repeat what was given.
pub struct Unrepeated<T>(PhantomData<fn() -> T>);

impl<T> Default for Unrepeated<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Unrepeated<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> TypedValueParser for Unrepeated<T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parse = |text: &str| text.parse::<T>();
        parse.parse_ref(command, arg, value).map_err(|mut error| {
            if error.get(ContextKind::InvalidValue).is_some() {
                let hidden = ContextValue::String("(not shown)".to_owned());
                error.insert(ContextKind::InvalidValue, hidden);
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_may_hold_a_password_is_not_repeated() {
        #[derive(Debug, Clone)]
        struct Refused;
        impl FromStr for Refused {
            type Err = String;
            fn from_str(_: &str) -> Result<Self, String> {
                Err("it is refused".to_owned())
            }
        }
        let arg = Arg::new("url")
            .long("url")
            .value_parser(Unrepeated::<Refused>::default());
        let command = Command::new("test").arg(arg);
        let error = command.try_get_matches_from(["test", "--url", "geheim"]);
        let told = error.expect_err("is refused").to_string();
        assert!(told.contains("it is refused"), "{told}");
        assert!(told.contains("--url"), "{told}");
        assert!(!told.contains("geheim"), "{told}");
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("512KiB", 512 * 1024),
            ("16 MiB", 16 * 1024 * 1024),
            ("1GiB", 1024 * 1024 * 1024),
        ] {
            assert_eq!(byte_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "16MB", "99999999999GiB"] {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }
}
