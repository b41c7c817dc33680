use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn form(errors: Errors, path: &str, accept: &[&str]) -> Form {
    let mut request = Request::get(path);
    for value in accept {
        request = request.header(ACCEPT, *value);
    }
    Form::of(errors, &request.body(()).expect("a request"))
}

fn accepting(values: &[&str]) -> Form {
    form(Errors::Impact, "/Ads?x=.xml", values)
}

#[test]
fn accept_decides_by_its_weights() {
    for (accept, form) in [
        (&[][..], Form::Json),
        (&["*/*"], Form::Json),
        (&["application/json"], Form::Json),
        (&["application/xml"], Form::Xml),
        (&["Application/XML"], Form::Xml),
        (&["text/xml"], Form::TextXml),
        (&["text/*"], Form::TextXml),
        (&["application/*"], Form::Json),
        (&["application/xml, application/json"], Form::Json),
        (&["application/xml, application/json;q=0.9"], Form::Xml),
        (
            &["application/xml;q=0.5, application/json;q=0.4"],
            Form::Xml,
        ),
        (
            &["application/xml;q=0.5", "application/json;q=0.501"],
            Form::Json,
        ),
        (&["application/json;q=0, */*;q=0.1"], Form::Xml),
        (&["application/json;q=0, */*"], Form::Xml),
        (&["*/*;q=0.5, text/xml"], Form::TextXml),
        (&["application/*;q=0.2, application/xml;q=0.1"], Form::Json),
        (
            &["application/json ; Q=0.1 , application/xml ; charset=utf-8 ; q=0.2"],
            Form::Xml,
        ),
        (
            &["text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8"],
            Form::Xml,
        ),
        (&["image/png"], Form::Json),
        (&["application/json;q=0, application/xml;q=0"], Form::Json),
        // A weight that is none makes its element none.
        (&["application/json, application/xml;q=2"], Form::Json),
        (&["application/xml;q=0.1234"], Form::Json),
        (&["application/xml;q=1.001"], Form::Json),
        (&["application/xml;q="], Form::Json),
        (
            &["application/json;q=0.5, application/xml;x=\"a,b;q=0\\\"\""],
            Form::Xml,
        ),
        (&["x/y;a=\", application/xml, \""], Form::Json),
        (&["xml", "/", "*", ",,", ";q=1"], Form::Json),
    ] {
        assert_eq!(accepting(accept), form, "{accept:?}");
    }
}

#[test]
fn a_suffix_beats_accept_and_problems_are_for_all() {
    let of = |path| form(Errors::Impact, path, &["text/xml"]);
    assert_eq!(of("/Ads.json?x"), Form::Json);
    assert_eq!(of("/Ads/12.xml"), Form::Xml);
    assert_eq!(of("/Ads.json/12"), Form::TextXml);
    assert_eq!(of("*"), Form::TextXml);
    let problem = form(Errors::Problem, "/Ads.xml", &["text/xml"]);
    assert_eq!(problem, Form::Problem);
}

#[test]
fn every_code_has_both_bodies() {
    for &code in Code::ALL {
        let json = document(Form::Json, code, None, &[]);
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        let message = json["Message"].as_str().expect("a message");
        assert_eq!(json["Status"], "ERROR");
        assert!(
            json["Errors"]
                .as_array()
                .is_some_and(|errors| errors.len() < 2)
        );
        let xml = document(Form::Xml, code, None, &[]);
        assert_eq!(xml, document(Form::TextXml, code, None, &[]));
        let xml = String::from_utf8(xml.to_vec()).expect("UTF-8");
        let begin = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ImpactRadiusResponse>\
             <Status>ERROR</Status><Message>{}</Message>",
            message.replace('\'', "&apos;")
        );
        assert!(xml.starts_with(&begin), "{xml}");
        assert!(xml.ends_with("</Errors></ImpactRadiusResponse>\n"), "{xml}");
    }
}

#[test]
fn what_a_refusal_tells_is_told() {
    let scopes = ["ads:read".into(), "a<b&c>".into()];
    let refused = |form| document(form, Code::ScopeNotGranted, None, &scopes);
    let json: Value = serde_json::from_slice(&refused(Form::Json)).expect("JSON");
    assert_eq!(
        json,
        json!({"Status": "ERROR", "Message": "Access Denied", "Errors": [{
            "Field": "Authorization",
            "Message": "The token lacks the scope that this call needs: ads:read or a<b&c>",
        }]})
    );
    let xml = String::from_utf8(refused(Form::Xml).to_vec()).expect("UTF-8");
    assert!(
        xml.contains(
            "<Error><Field>Authorization</Field><Message>The token lacks the scope that \
                      this call needs: ads:read or a&lt;b&amp;c&gt;</Message></Error>"
        ),
        "{xml}"
    );
    let detailed = document(Form::Json, Code::BadHost, Some("there is no Host"), &[]);
    let json: Value = serde_json::from_slice(&detailed).expect("JSON");
    assert_eq!(json["Message"], Code::BadHost.title());
    let errors = json!([{"Field": "Host", "Message": "there is no Host"}]);
    assert_eq!(json["Errors"], errors);
    let upstream = document(Form::Json, Code::UpstreamTimeout, None, &[]);
    let json: Value = serde_json::from_slice(&upstream).expect("JSON");
    assert_eq!(json["Errors"], json!([]));
}

proptest! {
    #[test]
    fn no_text_leaves_its_element(text in "\\PC{0,20}|[<>&'\"\\x00-\\x1f\u{fffe}]{0,20}") {
        let mut escaped = String::new();
        push_escaped(&mut escaped, &text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        prop_assert!(!escaped.contains(|c: char| c < ' ' && c != '\t' && c != '\n'));
        for (at, _) in escaped.match_indices('&') {
            let rest = escaped.get(at + 1..).unwrap_or_default();
            let name = rest.split(';').next().unwrap_or_default();
            prop_assert!(["amp", "lt", "gt", "quot", "apos", "#13"].contains(&name));
        }
    }

    #[test]
    fn no_accept_panics(text in "[a-z*/;=q.0-9,\"\\\\ ]{0,60}") {
        let _: Form = accepting(&[&text]);
    }
}
