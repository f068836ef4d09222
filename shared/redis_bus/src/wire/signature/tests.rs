use super::*;

const QUEUE: &str = "prynai:{main.0}:requests";
const MAILBOX: &str = "prynai:{main.0}:mail:0198c5f2a7b47c3e9d10b2f4c6e8a012";

type Fields = Vec<(String, String)>;

fn keys(letters: &[&str]) -> EnvelopeKeys {
    let keys = letters.iter().map(|letter| letter.repeat(32).into());
    EnvelopeKeys::new(&keys.collect::<Vec<_>>()).unwrap()
}

fn fields() -> Fields {
    let fields = [
        ("v", "1"),
        ("stream", "0198"),
        ("holder", "gw-1"),
        ("principal", r#"{"subject":"a"}"#),
        ("message", "{}"),
        ("a later field", ""),
    ];
    fields
        .map(|(field, value)| (field.into(), value.into()))
        .into()
}

fn signed(keys: &EnvelopeKeys) -> Fields {
    let mut fields = fields();
    let signature = keys.sign_request(QUEUE, &fields).unwrap();
    fields.insert(2, (SIGNATURE.to_owned(), signature));
    fields
}

fn is_refused(fields: &Fields) {
    let checked = keys(&["a"]).check_request(QUEUE, fields);
    assert!(
        matches!(checked, Err(WireError::WronglySigned)),
        "{fields:?}"
    );
}

#[test]
fn what_was_signed_is_accepted_in_any_order() {
    let mut fields = signed(&keys(&["a"]));
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        keys(&["a"]).check_request(QUEUE, &fields).unwrap();
    }
}

#[test]
fn nothing_can_be_changed_added_or_left_out() {
    let good = signed(&keys(&["a"]));
    for at in 0..good.len() {
        let mut changed = good.clone();
        let value = &mut changed[at].1;
        let last = value.pop();
        value.push(if last == Some('x') { 'y' } else { 'x' });
        is_refused(&changed);

        let mut longer = good.clone();
        longer[at].1.push(' ');
        is_refused(&longer);

        let mut twice = good.clone();
        twice.push(good[at].clone());
        is_refused(&twice);

        if good[at].0 == SIGNATURE {
            continue;
        }
        let mut shorter = good.clone();
        shorter.remove(at);
        is_refused(&shorter);

        let mut renamed = good.clone();
        renamed[at].0.push('x');
        is_refused(&renamed);

        // The end of the name becomes the beginning of the value.
        let mut moved = good.clone();
        let end = moved[at].0.pop().unwrap();
        moved[at].1.insert(0, end);
        is_refused(&moved);

        let mut exchanged = good.clone();
        let other = exchanged[(at + 3) % good.len()].1.clone();
        exchanged[at].1 = other;
        is_refused(&exchanged);
    }
    let mut more = good.clone();
    more.push(("session".to_owned(), "{}".to_owned()));
    is_refused(&more);
}

#[test]
fn a_signature_is_good_for_its_place_only() {
    let fields = signed(&keys(&["a"]));
    let elsewhere = keys(&["a"]).check_request("other:{main.0}:requests", &fields);
    assert!(matches!(elsewhere, Err(WireError::WronglySigned)));
    let signature = &fields[2].1;
    let as_mail = format!("sig {signature} {{}}");
    assert!(keys(&["a"]).open_mail(QUEUE, &as_mail).is_err());
}

#[test]
fn a_request_without_a_signature_is_refused_and_so_is_nonsense() {
    let unsigned = keys(&["a"]).check_request(QUEUE, &fields());
    assert!(matches!(unsigned, Err(WireError::Unsigned)));
    let good = signed(&keys(&["a"]));
    for signature in [
        "",
        "00",
        &"0".repeat(64),
        &"g".repeat(64),
        &"+0".repeat(32),
        &"ü".repeat(32),
    ] {
        let mut forged = good.clone();
        forged[2].1 = signature.to_owned();
        is_refused(&forged);
    }
}

#[test]
fn a_key_can_be_replaced() {
    let (old, both, new) = (keys(&["a"]), keys(&["b", "a"]), keys(&["b"]));
    for (signer, reader, accepted) in [
        (&old, &both, true),
        (&both, &both, true),
        (&new, &both, true),
        (&both, &new, true),
        (&both, &old, false),
        (&old, &new, false),
    ] {
        let checked = reader.check_request(QUEUE, &signed(signer));
        assert_eq!(checked.is_ok(), accepted, "{signer:?} {reader:?}");
        let letter = signer.seal_mail(MAILBOX, "{}");
        let opened = reader.open_mail(MAILBOX, &letter);
        assert_eq!(opened.is_ok(), accepted, "{signer:?} {reader:?}");
    }
}

#[test]
fn without_keys_nothing_is_signed_and_everything_accepted() {
    let none = EnvelopeKeys::default();
    assert_eq!(none.sign_request(QUEUE, &fields()), None);
    none.check_request(QUEUE, &fields()).unwrap();
    none.check_request(QUEUE, &signed(&keys(&["a"]))).unwrap();
    let message = r#"{"id":"sig 1"}"#;
    assert_eq!(none.seal_mail(MAILBOX, message), message);
    assert_eq!(none.open_mail(MAILBOX, message).unwrap(), message);
    let letter = keys(&["a"]).seal_mail(MAILBOX, message);
    assert_eq!(none.open_mail(MAILBOX, &letter).unwrap(), message);
}

#[test]
fn mail_cannot_be_forged_changed_or_moved() {
    let keys = keys(&["a"]);
    let message = r#"{"jsonrpc":"2.0","id":"a.1.0","result":{"action":"decline"}}"#;
    let letter = keys.seal_mail(MAILBOX, message).into_owned();
    assert_eq!(keys.open_mail(MAILBOX, &letter).unwrap(), message);
    assert!(matches!(
        keys.open_mail(MAILBOX, message),
        Err(WireError::Unsigned)
    ));
    for forged in [
        letter.replace("decline", "accept"),
        format!("{letter} "),
        letter.replacen(' ', "  ", 1),
        letter.replace("sig ", "sig 0"),
    ] {
        let opened = keys.open_mail(MAILBOX, &forged);
        assert!(matches!(opened, Err(WireError::WronglySigned)), "{forged}");
    }
    let other = MAILBOX.replace("a012", "a013");
    assert!(keys.open_mail(&other, &letter).is_err());
}

#[test]
fn keys_are_not_shown() {
    assert_eq!(format!("{:?}", keys(&["a", "b"])), "EnvelopeKeys(2)");
    let short = EnvelopeKeys::new(&["geheim".to_owned().into()]).unwrap_err();
    assert!(
        short.contains("--envelope-key") && !short.contains("geheim"),
        "{short}"
    );
}
