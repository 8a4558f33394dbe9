//! Least privilege: compares the permissions in manifests/rbac with the requests of the operator and the
//! daemons in the API servers' audit logs of the end-to-end tests and the API tests.
//!
//! `make audit-rbac` runs it, after both. A permission that no end-to-end test uses is not granted, or it
//! is in [`reasons`], with why it is needed and which API test uses it.

mod calls;
mod grants;
mod reasons;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use self::calls::Call;
use self::grants::Grant;
use self::reasons::{REASONS, Reason};

/// The file that this variable names.
fn named(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: run this by make audit-rbac"))?;
    Ok(path.into())
}

/// The calls in the audit log that this variable names.
fn audited(variable: &str) -> Result<Vec<Call>> {
    let path = named(variable)?;
    let log = std::fs::read_to_string(&path)
        .with_context(|| format!("read the audit log {}: run the tests first", path.display()))?;
    let calls = calls::read(&log).with_context(|| path.display().to_string())?;
    ensure!(
        !calls.is_empty(),
        "no call of ours is in {}",
        path.display()
    );
    Ok(calls)
}

/// What the manifests grant to operator and daemons.
fn granted() -> Result<Vec<Grant>> {
    let rbac = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/rbac");
    let mut all = Vec::new();
    for file in ["operator.yaml", "leader-election.yaml", "daemon.yaml"] {
        let path = rbac.join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        all.extend(grants::read(&text).with_context(|| path.display().to_string())?);
    }
    Ok(all)
}

/// The problems: a line for each permission without use or reason, and for each reason that
/// is wrong.
fn findings(
    grants: &[Grant],
    end_to_end: &[Call],
    api: &[Call],
    reasons: &[Reason],
) -> Vec<String> {
    let used = |calls: &[Call], grant: &Grant| calls.iter().any(|call| grant.allows(call));
    let mut findings = Vec::new();
    for grant in grants {
        let reason = reasons.iter().find(|reason| reason.explains(grant));
        match (used(end_to_end, grant), reason) {
            (false, None) => findings.push(format!("{grant}: granted, and never used")),
            (false, Some(reason)) if reason.test.is_some() && !used(api, grant) => {
                findings.push(format!(
                    "{grant}: no API test uses it, although its reason names one"
                ));
            }
            (true, _) | (false, Some(_)) => {}
        }
    }
    for reason in reasons {
        if !grants.iter().any(|grant| reason.explains(grant)) {
            findings.push(format!("{reason}: has a reason, and is not granted"));
        }
    }
    findings
}

#[test]
fn no_more_is_granted_than_is_used() -> Result<()> {
    let grants = granted()?;
    let (end_to_end, api) = (audited("FIO_E2E_AUDIT_LOG")?, audited("FIO_API_AUDIT_LOG")?);
    let findings = findings(&grants, &end_to_end, &api, REASONS);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

#[test]
fn the_tests_that_reasons_name_are_there() -> Result<()> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/api");
    for (file, name) in REASONS.iter().filter_map(|reason| reason.test) {
        let text = std::fs::read_to_string(tests.join(file)).with_context(|| file.to_owned())?;
        ensure!(
            text.contains(&format!("fn {name}(")),
            "{file} has no test {name}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
