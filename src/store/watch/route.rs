//! The way from a path to the file it leads to, link by link.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// More links than this are taken for a loop, as Linux does.
const LINKS_MAX: usize = 40;

/// A path with every symbolic link on the way followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Each link on the way.
    links: Vec<PathBuf>,
    /// Where they lead to.
    real: PathBuf,
}

impl Route {
    /// Follows a path as far as it exists.
    pub(super) fn to(path: &Path) -> Self {
        let mut links = Vec::new();
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut real = PathBuf::new();
        let mut ahead: VecDeque<OsString> = components(&absolute).collect();
        while let Some(component) = ahead.pop_front() {
            if component == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&component); // an absolute component starts anew
            match std::fs::read_link(&next) {
                Ok(target) if links.len() < LINKS_MAX => {
                    links.push(next);
                    for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(component);
                    }
                }
                _ => real = next,
            }
        }
        Self { links, real }
    }

    /// The file at the end.
    pub(super) fn real(&self) -> &Path {
        &self.real
    }

    /// Whether this is the path of a link on the way, or of the file.
    pub(super) fn passes(&self, path: &Path) -> bool {
        self.real == path || self.links.iter().any(|link| link == path)
    }

    /// The directories that the links and the file lie in.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        let all = self.links.iter().chain([&self.real]);
        all.filter_map(|path| path.parent())
    }
}

fn components(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components()
        .filter(|component| !matches!(component, Component::CurDir))
        .map(|component| component.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_one_by_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("it exists");
        std::fs::create_dir(root.join("..v1")).expect("made");
        std::fs::write(root.join("..v1/file"), "").expect("written");
        symlink("..v1", root.join("..data")).expect("linked");
        symlink("..data/file", root.join("file")).expect("linked");
        let route = Route::to(&root.join("x/.././file"));
        assert_eq!(route.links, [root.join("file"), root.join("..data")]);
        assert_eq!(route.real(), root.join("..v1/file"));
        let directories: Vec<_> = route.directories().collect();
        assert_eq!(directories, [&*root, &*root, &*root.join("..v1")]);
        assert!(route.passes(&root.join("..data")) && !route.passes(&root));
    }

    #[test]
    fn a_loop_ends() {
        let dir = tempfile::tempdir().expect("a directory");
        symlink("b", dir.path().join("a")).expect("linked");
        symlink("a", dir.path().join("b")).expect("linked");
        assert_eq!(Route::to(&dir.path().join("a")).links.len(), LINKS_MAX);
    }

    #[test]
    fn what_is_missing_is_where_it_would_be() {
        assert_eq!(
            Route::to(Path::new("/no/such/./file")).real(),
            Path::new("/no/such/file")
        );
    }
}
