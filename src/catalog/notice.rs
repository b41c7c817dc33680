//! What answers under an older version carry, so that a client's developers learn of its end.

use http::HeaderValue;
use jiff::civil::Date;

/// Header fields of every answer under one version, made when the catalogue is loaded.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    /// `Deprecation` (RFC 9745 2.1): since when.
    pub deprecation: Option<HeaderValue>,
    /// `Sunset` (RFC 8594 3): until when it is known to work.
    pub sunset: Option<HeaderValue>,
    /// `Link` to the notes, as `deprecation` (RFC 9745 3) and, where there is a sunset, as
    /// `sunset` (RFC 8594 6).
    pub link: Option<HeaderValue>,
}

impl Notice {
    /// The notice of a version with these dates, each at its first second in UTC. Notes are
    /// pointed to only where there is something to tell: the version is an older one, or one
    /// that ends.
    pub(super) fn new(
        deprecated: Option<Date>,
        sunset: Option<Date>,
        notes: Option<&str>,
        is_older: bool,
    ) -> Self {
        let ends = deprecated.is_some() || sunset.is_some();
        let notes = notes.filter(|_| is_older || ends);
        Self {
            deprecation: deprecated.and_then(|date| {
                let start = date.duration_since(jiff::civil::date(1970, 1, 1));
                HeaderValue::try_from(format!("@{}", start.as_secs())).ok()
            }),
            // The form of RFC 9110 5.6.7, which jiff's names of days and months fit.
            sunset: sunset.and_then(|date| {
                HeaderValue::try_from(date.strftime("%a, %d %b %Y 00:00:00 GMT").to_string()).ok()
            }),
            link: notes.and_then(|notes| {
                let mut link = format!("<{notes}>; rel=\"deprecation\"");
                if sunset.is_some() {
                    link.push_str(&format!(", <{notes}>; rel=\"sunset\""));
                }
                HeaderValue::try_from(link).ok()
            }),
        }
    }
}

/// Whether a URL can stand between the angle brackets of a `Link` (RFC 8288 3).
pub(super) fn fits_link(url: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"');
    url.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<Date> {
        Some(text.parse().expect("a date"))
    }

    fn shown(notice: Notice) -> [String; 3] {
        [notice.deprecation, notice.sunset, notice.link].map(|value| {
            let value = value.unwrap_or_else(|| HeaderValue::from_static("-"));
            value.to_str().expect("visible ASCII").to_owned()
        })
    }

    #[test]
    fn fields_are_in_the_forms_of_their_rfcs() {
        let url = "https://api.example.com/changes/2#x";
        let all = Notice::new(date("2023-06-30"), date("2027-06-01"), Some(url), true);
        assert_eq!(
            shown(all),
            [
                "@1688083200".to_owned(),
                "Tue, 01 Jun 2027 00:00:00 GMT".to_owned(),
                format!("<{url}>; rel=\"deprecation\", <{url}>; rel=\"sunset\""),
            ]
        );
        let old = Notice::new(None, None, Some(url), true);
        let link = format!("<{url}>; rel=\"deprecation\"");
        assert_eq!(shown(old), ["-", "-", &*link]);
        let latest = Notice::new(None, None, Some(url), false);
        assert_eq!(shown(latest), ["-", "-", "-"]);
        let early = Notice::new(date("1969-12-31"), None, None, false);
        assert_eq!(shown(early), ["@-86400", "-", "-"]);
        let far = Notice::new(date("9999-12-31"), date("0001-01-01"), None, true);
        assert_eq!(
            shown(far),
            ["@253402214400", "Mon, 01 Jan 0001 00:00:00 GMT", "-"]
        );
    }
}
