//! The section `[limits]`, and the limits of categories: what is counted, and for whom.

use std::sync::Arc;

use super::super::rate::{Per, RateGroup, RateGroupId, RateLimit};
use super::super::reader::{At, Table};
use super::{Loader, Seen};

/// What `[limits]` says of categories that say nothing themselves.
#[derive(Default)]
pub(super) struct Defaults {
    limits: Vec<RateLimit>,
    per: Per,
}

impl Loader<'_, '_> {
    /// Reads `[limits]`: before the categories, whose rules name its groups.
    pub(super) fn shared_limits(&mut self, root: Table<'_>) {
        let known = ["default", "per", "group"];
        let Some(table) = self.reader.table(root, "limits", "[limits]", &known) else {
            return;
        };
        self.defaults = Defaults {
            limits: self.rates(table, "default"),
            per: self.per(table, "per").unwrap_or_default(),
        };
        let known = ["name", "limits", "per"];
        let mut seen = Seen::default();
        for table in self
            .reader
            .tables(table, "group", "[[limits.group]]", &known)
        {
            let limits = self.rates(table, "limits");
            if !table.has("limits") {
                let message = "[[limits.group]] needs the key `limits`";
                self.reader.fault(table.offset, message);
            }
            let per = self.per(table, "per").unwrap_or(self.defaults.per);
            let Some(name) = self.reader.needed(table, "name") else {
                continue;
            };
            if self.is_name(name) && seen.once(self.reader, "the group", name) {
                let group = self.rate_group("group", name.value, limits, per);
                self.catalog.rate_groups.push(group);
            }
        }
    }

    /// What the rules of a category count towards, where they name no group.
    pub(super) fn category_limits(
        &mut self,
        table: Table<'_>,
        name: Option<At<&str>>,
    ) -> Arc<RateGroup> {
        let limits = if table.has("limits") {
            self.rates(table, "limits")
        } else {
            self.defaults.limits.clone()
        };
        let per = self.per(table, "limits_per").unwrap_or(self.defaults.per);
        self.rate_group("category", name.map_or("", |n| n.value), limits, per)
    }

    /// The group that a rule names, and a fault where there is none of that name.
    pub(super) fn rule_limit(&mut self, table: Table<'_>) -> Option<Arc<RateGroup>> {
        let name = self.reader.string(table, "limit")?;
        let mut groups = self.catalog.rate_groups.iter();
        let found = groups.find(|group| *group.name == *name.value).cloned();
        if found.is_none() {
            let message = format!("`{}` is not among [[limits.group]]", name.value);
            self.reader.fault(name.offset, message);
        }
        found
    }

    /// The number comes from what the group is and its name, so that what was counted stays
    /// counted when the file changes. A category and a group of one name are two.
    fn rate_group(
        &mut self,
        what: &str,
        name: &str,
        limits: Vec<RateLimit>,
        per: Per,
    ) -> Arc<RateGroup> {
        let key = format!("{what} {name}");
        Arc::new(RateGroup {
            number: RateGroupId(self.catalog.names.rates.number(&key)),
            name: name.into(),
            limits,
            per,
        })
    }

    fn rates(&mut self, table: Table<'_>, key: &str) -> Vec<RateLimit> {
        let mut limits: Vec<RateLimit> = Vec::new();
        for text in self.reader.strings(table, key) {
            match text.value.parse::<RateLimit>() {
                Ok(limit) if limits.iter().any(|l| l.window == limit.window) => {
                    let message = format!("a second limit for each {}", limit.window.as_str());
                    self.reader.fault(text.offset, message);
                }
                Ok(limit) => limits.push(limit),
                Err(fault) => self.reader.fault(text.offset, fault.to_string()),
            }
        }
        limits.sort_by_key(|limit| limit.window);
        limits
    }

    fn per(&mut self, table: Table<'_>, key: &str) -> Option<Per> {
        let word = self.reader.string(table, key)?;
        let found = [Per::Token, Per::Account]
            .into_iter()
            .find(|per| per.as_str() == word.value);
        if found.is_none() {
            let message = format!("`{key}` is \"token\" or \"account\"");
            self.reader.fault(word.offset, message);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::catalog::{Catalog, Per, RateGroup, RateGroupId};

    fn parse(text: &str, previous: Option<&Catalog>) -> Result<Catalog, Vec<String>> {
        Catalog::parse(Path::new("c"), text, previous)
            .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
    }

    fn told(group: &RateGroup) -> (&str, Vec<&str>, Per) {
        let limits = group.limits.iter().map(|limit| &*limit.text);
        (&*group.name, limits.collect(), group.per)
    }

    const TEXT: &str = r#"
[[category]]
name = "Ads"
[[category.scope]]
id = "ads"
allow = ["GET /ads", { rule = "GET /search", limit = "search" }, { rule = "GET /ping", limit = "free" }]
[[category]]
name = "search"
limits = ["9/day", "8/hour"]
limits_per = "token"
[[category]]
name = "Unlimited"
limits = []
[limits]
default = ["1000/hour"]
per = "account"
[[limits.group]]
name = "search"
limits = ["3000/hour"]
[[limits.group]]
name = "free"
limits = []
per = "token"
"#;

    #[test]
    fn a_category_has_its_own_limits_or_those_of_all() {
        let catalog = parse(TEXT, None).expect("no fault");
        let groups: Vec<_> = catalog.categories.iter().map(|c| told(&c.rate)).collect();
        assert_eq!(
            groups,
            [
                ("Ads", vec!["1000/hour"], Per::Account),
                ("search", vec!["8/hour", "9/day"], Per::Token),
                ("Unlimited", vec![], Per::Account),
            ]
        );
    }

    #[test]
    fn a_rule_counts_towards_the_group_it_names_instead() {
        let catalog = parse(TEXT, None).expect("no fault");
        let counted = |path: &str| {
            let found = catalog.routes.find(&http::Method::GET, path, None);
            let grant = &found.expect(path).route.grants[0];
            grant.rate.as_deref().map(|group| told(group).1)
        };
        assert_eq!(counted("/ads"), Some(vec!["1000/hour"]));
        assert_eq!(counted("/search"), Some(vec!["3000/hour"]));
        assert_eq!(
            counted("/ping"),
            None,
            "a group without limits counts nothing"
        );
    }

    #[test]
    fn a_name_keeps_its_number_and_a_group_is_no_category() {
        let first = parse(TEXT, None).expect("no fault");
        let numbers = |catalog: &Catalog| -> Vec<RateGroupId> {
            let categories = catalog.categories.iter().map(|c| c.rate.number);
            let groups = catalog.rate_groups.iter().map(|g| g.number);
            categories.chain(groups).collect()
        };
        let mut distinct = numbers(&first);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
        let changed = TEXT
            .replace("3000/hour", "1/day")
            .replace("\"free\"", "\"exempt\"");
        let second = parse(&changed, Some(&first)).expect("no fault");
        assert_eq!(numbers(&second)[..4], numbers(&first)[..4]);
        assert!(
            !numbers(&first).contains(&numbers(&second)[4]),
            "another name"
        );
    }

    #[test]
    fn faults_have_their_places() {
        let text = r#"[limits]
default = ["0/hour"]
per = "user"
[[limits.group]]
name = "a"
limits = ["5/day", "6/day"]
[[limits.group]]
name = "a"
[[limits.group]]
limits = "5/day"
[paths]
public = [{ rule = "GET /p", limit = "a" }]
[[category]]
name = "C"
limits_per = 1
[[category.scope]]
id = "s"
allow = ["GET /x", { rule = "GET /x", limit = "a" }, { rule = "GET /y", limit = "b" }]
"#;
        assert_eq!(
            parse(text, None).expect_err("faults"),
            [
                "c:2:12: a limit is a count from 1 to 4294967295 for a minute, hour or day: 1000/hour",
                "c:3:7: `per` is \"token\" or \"account\"",
                "c:6:20: a second limit for each day",
                "c:7:1: [[limits.group]] needs the key `limits`",
                "c:8:8: the group `a` is there already, in line 5",
                "c:9:1: [[limits.group]] needs the key `name`",
                "c:10:10: expected an array, found a string",
                "c:12:20: a public rule has no limit: nobody is authenticated",
                "c:15:14: expected a string, found an integer",
                "c:18:29: `GET /x` and `GET /x` in line 18 cannot both hold: their requests count \
                 towards different limits",
                "c:18:81: `b` is not among [[limits.group]]",
            ]
        );
    }
}
