//! The key `aliases` of `[paths]`: other names for the first segment of paths.

use std::collections::HashMap;

use super::super::path::canonical;
use super::super::reader::{At, Table};
use super::super::template::Segment;
use super::Loader;

impl Loader<'_, '_> {
    pub(super) fn aliases(&mut self, paths: Table<'_>) {
        let pairs = self.reader.named_strings(paths, "aliases");
        let targets: HashMap<&str, &str> = pairs.iter().map(|(a, t)| (a.value, t.value)).collect();
        for (alias, target) in pairs {
            let mut fit = true;
            for segment in [alias, target] {
                if !is_segment(segment.value) {
                    fit = false;
                    let message = "an alias, and what it is for, is one segment of a path, not \
                                   empty and in canonical form";
                    self.reader.fault(segment.offset, message);
                }
            }
            if fit && self.is_sound(alias, target, &targets) {
                self.catalog.aliases.add(alias.value, target.value);
            }
        }
    }

    /// Notes a fault where an alias leads elsewhere than to a name that rules begin with.
    fn is_sound(
        &mut self,
        alias: At<&str>,
        target: At<&str>,
        targets: &HashMap<&str, &str>,
    ) -> bool {
        let (name, to) = (alias.value, target.value);
        let mut first =
            self.drafts
                .iter()
                .filter_map(|draft| match draft.rule.template.segments().first() {
                    Some(Segment::Literal(literal)) => Some((&**literal, draft)),
                    _ => None,
                });
        let (place, message) = if name == to {
            (alias, format!("`{name}` is an alias for itself"))
        } else if leads_to(name, to, targets) {
            (alias, format!("the alias `{name}` leads back to itself"))
        } else if targets.contains_key(to) {
            let message = format!("`{to}` is an alias too; an alias is for a name of rules");
            (target, message)
        } else if let Some((_, draft)) = first.clone().find(|(literal, _)| *literal == name) {
            let message = format!(
                "`{}` in line {} begins with `{name}`, which no request can meet where it is \
                 an alias",
                draft.text, draft.line
            );
            (alias, message)
        } else if first.all(|(literal, _)| literal != to) {
            (target, format!("no rule begins with `{to}`"))
        } else {
            return true;
        };
        self.reader.fault(place.offset, message);
        false
    }
}

/// Whether following aliases from one comes to another; no further than there are aliases.
fn leads_to(name: &str, from: &str, targets: &HashMap<&str, &str>) -> bool {
    let mut at = from;
    for _ in 0..targets.len() {
        match targets.get(at) {
            Some(next) if *next == name => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}

fn is_segment(text: &str) -> bool {
    let path = format!("/{text}");
    !text.is_empty()
        && !text.contains(['/', '{', '}'])
        && canonical(&path).is_ok_and(|form| *form == *path)
}
