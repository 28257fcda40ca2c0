//! Environments: lines of releases over one warehouse.
//!
//! `prod` is what everybody reads; any other one is a place to try models in. An environment owns
//! only its releases and the tables that were built in it; what it did not change it shares with
//! `prod` by naming the same version of the same table. Raw and `ops` tables belong to all.

mod promote;
mod state;

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

pub use self::promote::Promotion;
pub use self::state::EnvironmentState;
use crate::{Error, Result};

const PROD: &str = "prod";

/// The name of an environment; `prod` by default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Environment(String);

impl Environment {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is what everybody reads.
    pub fn is_prod(&self) -> bool {
        self.0 == PROD
    }

    /// Where its releases lie below the root.
    pub(crate) fn releases(&self) -> Path {
        if self.is_prod() {
            Path::from_iter(["_inkhouse", "releases"])
        } else {
            Path::from_iter(["_inkhouse", "environments", &self.0, "releases"])
        }
    }

    /// Where the tables lie that were built in it.
    pub(crate) fn tables(&self) -> Path {
        if self.is_prod() { Path::default() } else { Path::from_iter(["environments", &self.0]) }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self(PROD.to_owned())
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Environment> for String {
    fn from(environment: Environment) -> Self {
        environment.0
    }
}

impl TryFrom<String> for Environment {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        let valid = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if valid && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase) {
            Ok(Self(name))
        } else {
            Err(Error::EnvironmentName(name))
        }
    }
}

impl FromStr for Environment {
    type Err = Error;

    /// Lower-case letters, digits and `_`, a letter first.
    fn from_str(name: &str) -> Result<Self> {
        name.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_folder_and_nothing_more() {
        for name in ["", "Dev", "../dev", "dev/x", "1dev", "dev-x"] {
            assert!(name.parse::<Environment>().is_err(), "{name}");
        }
        let dev: Environment = "dev_2".parse().unwrap();
        assert_eq!(dev.releases().to_string(), "_inkhouse/environments/dev_2/releases");
        assert_eq!(dev.tables().to_string(), "environments/dev_2");
        assert_eq!(Environment::default().releases().to_string(), "_inkhouse/releases");
        assert_eq!("prod".parse::<Environment>().unwrap(), Environment::default());
    }
}
