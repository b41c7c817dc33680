//! What two rules have in common, and a request that meets it: for whoever compares rules
//! by trying them.

use http::Method;

use super::{Methods, Segment, Template};

impl Methods {
    /// Those that are tried where any method is meant.
    pub const USUAL: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];

    /// The methods that both name, if there are any.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, some) | (some, Self::Any) => Some(some.clone()),
            (Self::Listed(these), Self::Listed(those)) => {
                let common = these.iter().filter(|method| those.contains(method));
                let common: Vec<Method> = common.cloned().collect();
                (!common.is_empty()).then_some(Self::Listed(common))
            }
        }
    }
}

impl Template {
    /// Stands for any value of a parameter, and for a SID that is nobody's. It has a space, so
    /// no literal is it.
    pub const ANY: &str = " any";

    /// The paths that both match, if there are any. A name may stand in it twice: once from
    /// each.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let (mut these, mut those) = (self.segments(), other.segments());
        let mut both = Vec::new();
        loop {
            match (these, those) {
                ([], []) => return Some(Self(both)),
                ([Segment::Rest(_)], rest) | (rest, [Segment::Rest(_)]) => {
                    let fits = rest.first().is_some_and(|first| !is_slash(first));
                    both.extend_from_slice(rest);
                    return fits.then_some(Self(both));
                }
                ([this, after_this @ ..], [that, after_that @ ..]) => {
                    both.push(narrower(this, that)?.clone());
                    (these, those) = (after_this, after_that);
                }
                _ => return None,
            }
        }
    }

    /// The template once for each number of segments that it is for, up to `most`: a last
    /// `{*name}` becomes that many `{name}`, without and with a trailing slash.
    #[must_use]
    pub fn lengths(&self, most: usize) -> Vec<Self> {
        let Some((Segment::Rest(name), before)) = self.segments().split_last() else {
            return vec![self.clone()];
        };
        let mut segments = before.to_vec();
        let mut all = Vec::new();
        loop {
            segments.push(Segment::Parameter(name.clone()));
            all.push(Self(segments.clone()));
            if segments.len() >= most {
                return all;
            }
            let slash = Segment::Literal(Box::default());
            all.push(Self(segments.iter().cloned().chain([slash]).collect()));
        }
    }

    /// How often `{sid}` stands in it: twice where two templates have it in two places.
    #[must_use]
    pub fn sids(&self) -> usize {
        let sids = self.segments().iter();
        sids.filter(|segment| **segment == Segment::Sid).count()
    }

    /// A path that it matches, with these SIDs, counted from 0.
    #[must_use]
    pub fn example<'s>(&self, sid: impl Fn(usize) -> &'s str) -> String {
        let mut path = String::new();
        let mut sids = 0..;
        for segment in self.segments() {
            path.push('/');
            path.push_str(match segment {
                Segment::Literal(text) => text,
                Segment::Sid => sids.next().map_or(Self::ANY, &sid),
                Segment::Parameter(_) | Segment::Rest(_) => Self::ANY,
            });
        }
        path
    }
}

/// The segments that both stand for, if any.
fn narrower<'s>(this: &'s Segment, that: &'s Segment) -> Option<&'s Segment> {
    match (this, that) {
        (Segment::Literal(a), Segment::Literal(b)) => (a == b).then_some(this),
        (literal @ Segment::Literal(_), _) | (_, literal @ Segment::Literal(_)) => {
            (!is_slash(literal)).then_some(literal)
        }
        (Segment::Sid, _) => Some(this),
        _ => Some(that),
    }
}

/// Whether it is what a trailing slash is to a template.
fn is_slash(segment: &Segment) -> bool {
    matches!(segment, Segment::Literal(text) if text.is_empty())
}
