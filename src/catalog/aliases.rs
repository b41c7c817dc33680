//! Other names for the first segment of paths.
//!
//! A path that begins with an alias is taken for the one that begins with what the alias is
//! for, by whoever judges it and by the upstream: no reader of it sees the alias.

/// Aliases, each with what it is for.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<(Box<str>, Box<str>)>);

impl Aliases {
    pub(super) fn add(&mut self, alias: &str, target: &str) {
        self.0.push((alias.into(), target.into()));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each alias and what it is for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(alias, target)| (&**alias, &**target))
    }

    /// The path that a canonical path with an alias is taken for; `None` for all others. A
    /// suffix that no rule names is no part of an alias either.
    #[must_use]
    pub fn resolve(&self, path: &str, ignored_suffixes: &[String]) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let path = path.strip_prefix('/')?;
        let first = path.split('/').next()?;
        let of = |name: &str| self.iter().find(|(alias, _)| *alias == name);
        let found = of(first).or_else(|| {
            let mut suffixes = ignored_suffixes
                .iter()
                .filter(|_| first.len() == path.len());
            suffixes.find_map(|suffix| of(first.strip_suffix(suffix.as_str())?))
        });
        let (alias, target) = found?;
        Some(format!("/{target}{}", path.get(alias.len()..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_alone_is_another_name() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.resolve("/Ad", &[]), None);
        aliases.add("Ad", "Ads");
        aliases.add("%C3%A9", "e");
        let suffixes = [".json".to_owned()];
        for (path, resolved) in [
            ("/Ad", Some("/Ads")),
            ("/Ad/", Some("/Ads/")),
            ("/Ad/1/Ad", Some("/Ads/1/Ad")),
            ("/Ad.json", Some("/Ads.json")),
            ("/Ad/1.json", Some("/Ads/1.json")),
            ("/%C3%A9/x", Some("/e/x")),
            ("/Ad.xml", None),
            ("/Ad.json/1", None),
            ("/Ad.json.json", None),
            ("/Ads", None),
            ("/ad", None),
            ("/x/Ad", None),
            ("/", None),
            ("/.json", None),
        ] {
            assert_eq!(
                aliases.resolve(path, &suffixes).as_deref(),
                resolved,
                "{path}"
            );
        }
    }
}
