//! The project's own models as git has them at a revision.
//!
//! git runs as a child process and only reads; the embedded models are those of this binary.

use std::{path::Path, process::Output};

use tokio::process::Command;
use warehouse::ModelSource;

use crate::failure::{Failure, Kind};

/// The files of `<folder>/sql` at a revision: names from the project folder, and texts.
///
/// # Errors
/// A config failure when git is not there, the folder is in no repository, or it has no such
/// revision.
pub async fn own_models(folder: &Path, revision: &str) -> Result<Vec<ModelSource>, Failure> {
    let inside = git(folder, &["rev-parse", "--is-inside-work-tree"]).await?;
    if !inside.status.success() {
        return Err(Failure::config(format!("`{}` is in no git repository", folder.display()))
            .with_cause(said(&inside.stderr))
            .with_hint("the models are compared with those of a revision; `git init` makes one"));
    }
    // A revision may begin with a dash; it must not become a flag.
    let wanted = format!("{revision}^{{commit}}");
    let found = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
    let found = git(folder, &found).await?;
    if !found.status.success() {
        return Err(Failure::config(format!("git knows no revision `{revision}`")).with_hint(
            "a branch, a tag, `HEAD~1` or a commit; `git fetch` brings those of the remote",
        ));
    }
    let commit = said(&found.stdout);
    let listed = git(folder, &["ls-tree", "-r", "-z", &commit, "--", "sql/"]).await?;
    let listed = succeeded(listed, "listing the models")?;
    let mut models = Vec::new();
    for entry in String::from_utf8_lossy(&listed.stdout).split('\0') {
        // `<mode> <type> <object>\t<path>`, the path from the project folder.
        let Some((what, path)) = entry.split_once('\t') else { continue };
        let mut what = what.split(' ').skip(1);
        let (Some("blob"), Some(object)) = (what.next(), what.next()) else { continue };
        if Path::new(path).extension().is_none_or(|kind| kind != "sql") {
            continue;
        }
        let content = git(folder, &["cat-file", "blob", object]).await?;
        let content = succeeded(content, "reading a model")?;
        models.push(ModelSource::new(path, &content.stdout));
    }
    Ok(models)
}

async fn git(folder: &Path, arguments: &[&str]) -> Result<Output, Failure> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).kill_on_drop(true);
    command.output().await.map_err(|error| {
        Failure::config("git cannot be run")
            .with_cause(error.to_string())
            .with_hint("install git, or put it on the PATH")
    })
}

fn succeeded(output: Output, doing: &str) -> Result<Output, Failure> {
    if output.status.success() {
        return Ok(output);
    }
    Err(Failure::new(Kind::Access, format!("git failed while {doing}"))
        .with_cause(said(&output.stderr)))
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, arguments: &[&str]) {
        let status = std::process::Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", said(&status.stderr));
    }

    #[tokio::test]
    async fn the_models_of_a_revision_are_read_and_others_left() {
        let root = tempfile::tempdir().unwrap();
        // The project may be a folder of a repository.
        let folder = root.path().join("shop");
        fs_err::create_dir_all(folder.join("sql/mine")).unwrap();
        fs_err::write(folder.join("sql/mine/fct_ä.sql"), "-- Old.").unwrap();
        fs_err::write(folder.join("sql/notes.txt"), "no").unwrap();
        run(root.path(), &["init", "-q"]);
        run(root.path(), &["add", "."]);
        run(root.path(), &["commit", "-q", "-m", "first"]);
        fs_err::write(folder.join("sql/mine/fct_ä.sql"), "-- New.").unwrap();
        let models = own_models(&folder, "HEAD").await.unwrap();
        let expected =
            ModelSource { path: "sql/mine/fct_ä.sql".to_owned(), text: "-- Old.".to_owned() };
        assert_eq!(models, [expected]);
        for unknown in ["nonsense", "--help", ""] {
            let failure = own_models(&folder, unknown).await.unwrap_err();
            assert_eq!(failure.to_string(), format!("git knows no revision `{unknown}`"));
            assert_eq!(failure.kind(), Kind::Config);
        }
    }

    #[tokio::test]
    async fn a_folder_without_a_repository_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let failure = own_models(folder.path(), "HEAD").await.unwrap_err();
        assert!(failure.to_string().ends_with("is in no git repository"), "{failure}");
        assert!(failure.hint().is_some());
    }
}
