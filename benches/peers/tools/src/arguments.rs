//! Command lines of the form `--name value`, for programs that one script calls.

use std::collections::HashMap;
use std::process::exit;
use std::str::FromStr;

/// What was given.
#[derive(Debug)]
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// Reads the process's command line; ends the process where it is not of the form.
    #[must_use]
    pub fn read() -> Self {
        let mut given = HashMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            match (name.strip_prefix("--"), words.next()) {
                (Some(name), Some(value)) => given.insert(name.to_owned(), value),
                _ => wrong(&format!("not of the form --name value: {name}")),
            };
        }
        Self(given)
    }

    /// The value of `name`; ends the process where there is none, or one that cannot be read.
    #[must_use]
    pub fn value<T: FromStr>(&self, name: &str) -> T {
        match self.0.get(name).map(|text| text.parse()) {
            Some(Ok(value)) => value,
            Some(Err(_)) => wrong(&format!("--{name} cannot be read")),
            None => wrong(&format!("--{name} is needed")),
        }
    }
}

fn wrong(what: &str) -> ! {
    eprintln!("{what}");
    exit(2)
}
