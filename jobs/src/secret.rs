//! Secrets: named in the config, never written there, never printed.
//!
//! A config says `{ env = "SHOPIFY_TOKEN" }` or `{ file = "secrets/shopify" }`. The value is read
//! when it is needed and lives in a type whose `Debug` shows nothing.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

/// Where a secret is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// An environment variable.
    Env(String),
    /// A file; a relative path starts at the project folder.
    File(PathBuf),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
        }
    }
}

/// Why a secret could not be had; holds no part of it.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The variable is not there.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// The file does not read.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(Reference),
}

impl Reference {
    /// Reads the secret; blanks and line ends around it are dropped.
    ///
    /// # Errors
    /// When it is not there or empty.
    pub fn read(
        &self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SecretString, Missing> {
        let text = match self {
            Self::Env(name) => environment(name).ok_or_else(|| Missing::Unset(name.clone()))?,
            Self::File(path) => {
                fs_err::read_to_string(folder.join(path)).map_err(Missing::Unreadable)?
            }
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(Missing::Empty(self.clone()));
        }
        Ok(SecretString::from(trimmed))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_read_but_its_debug_shows_nothing() {
        let environment = |name: &str| (name == "TOKEN").then(|| "  shpat_1\n".to_owned());
        let secret = Reference::Env("TOKEN".to_owned()).read(Path::new("."), &environment).unwrap();
        assert_eq!(secret.expose_secret(), "shpat_1");
        assert!(!format!("{secret:?}").contains("shpat"));
    }

    #[test]
    fn a_file_is_found_from_the_project_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("key"), "pk_1\n").unwrap();
        fs_err::write(folder.path().join("blank"), " \n").unwrap();
        let read = |name: &str| Reference::File(name.into()).read(folder.path(), &|_| None);
        assert_eq!(read("key").unwrap().expose_secret(), "pk_1");
        assert!(read("blank").unwrap_err().to_string().contains("is empty"));
        assert!(read("absent").unwrap_err().to_string().contains("absent"));
        let unset = Reference::Env("NO".to_owned()).read(folder.path(), &|_| None);
        assert_eq!(unset.unwrap_err().to_string(), "the environment variable `NO` is not set");
    }
}
