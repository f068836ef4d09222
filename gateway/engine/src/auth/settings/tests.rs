//! What the settings of callers allow together, and what not.

use clap::Parser;

use super::*;

const TENANT: &str = "9b6c1f0e-0c5d-4b0e-8a55-3f6f0c2a7d11";

#[derive(Parser)]
struct Process {
    #[command(flatten)]
    auth: AuthSettings,
}

fn settings(flags: &str) -> AuthSettings {
    let flags = flags.replace("TENANT", TENANT);
    let args = ["test"].into_iter().chain(flags.split_whitespace());
    Process::try_parse_from(args).unwrap().auth
}

fn verdict(flags: &str, listen: &str) -> Result<(), String> {
    settings(flags).check(listen.parse().unwrap())
}

#[test]
fn nobody_is_let_in_unasked_from_other_machines() {
    for listen in [
        "127.0.0.1:8000",
        "[::1]:1",
        "127.8.8.8:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert_eq!(verdict("", listen), Ok(()), "{listen}");
    }
    for listen in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:8000"] {
        let reason = verdict("", listen).unwrap_err();
        assert!(reason.contains("--insecure-no-auth"), "{reason}");
        assert_eq!(verdict("--insecure-no-auth", listen), Ok(()));
    }
}

#[test]
fn what_belongs_together_is_asked_for() {
    let entra = "--auth entra --auth-tenant TENANT --auth-audience a";
    for (flags, missing) in [
        ("--auth entra", "--auth-tenant"),
        (
            "--auth entra --auth-tenant TENANT --auth-scope s",
            "--auth-audience",
        ),
        (entra, "--auth-scope or --auth-role"),
        ("--auth oidc --auth-audience a", "--auth-issuer"),
        (
            "--auth oidc --auth-issuer https://id.example.com",
            "--auth-audience",
        ),
        ("--auth-audience a", "--auth entra or --auth oidc"),
        ("--auth oidc --auth-tenant TENANT", "--auth entra"),
        (
            "--auth entra --auth-issuer https://id.example.com",
            "--auth oidc",
        ),
        ("--auth entra --insecure-no-auth", "--auth none"),
        (
            &format!("{entra} --auth-role r --auth-callers users"),
            "--auth-role alone",
        ),
        (
            &format!("{entra} --auth-scope s --auth-callers apps"),
            "--auth-scope alone",
        ),
    ] {
        let reason = verdict(flags, "0.0.0.0:1").unwrap_err();
        assert!(reason.contains(missing), "{flags}: {reason}");
    }
    let complete = format!("{entra} --auth-scope s --auth-role r --auth-callers apps");
    assert_eq!(verdict(&complete, "0.0.0.0:1"), Ok(()));
    let oidc = "--auth oidc --auth-issuer https://id.example.com/ --auth-audience a";
    assert_eq!(verdict(oidc, "0.0.0.0:1"), Ok(()));
}

#[test]
fn only_the_second_version_is_accepted_unless_said_otherwise() {
    assert!(settings("").accepts(TokenVersion::V2));
    assert!(!settings("").accepts(TokenVersion::V1));
    let first = settings("--auth-token-version v1");
    assert!(first.accepts(TokenVersion::V1) && !first.accepts(TokenVersion::V2));
    let both = settings("--auth-token-version v1,v2");
    assert!(both.accepts(TokenVersion::V1) && both.accepts(TokenVersion::V2));
}

#[test]
fn scopes_are_asked_for_by_their_full_names() {
    for (flags, prefix) in [
        ("--auth entra --auth-audience 11-22", "api://11-22/"),
        (
            "--auth entra --auth-audience 11-22,https://a.example/mcp",
            "https://a.example/mcp/",
        ),
        ("--auth entra --auth-audience api://x/", "api://x/"),
        ("--auth oidc --auth-audience https://a.example/mcp", ""),
        (
            "--auth entra --auth-audience a --auth-scope-prefix b:",
            "b:",
        ),
    ] {
        assert_eq!(settings(flags).scope_prefix(), prefix, "{flags}");
    }
}
