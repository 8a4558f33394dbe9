//! The two CustomResourceDefinitions, made from the Rust types. Pure; `fio crd` prints them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceValidation,
};
use kube::core::schema::StructuralSchemaRewriter;
use kube::{CustomResourceExt as _, Resource as _};
use schemars::generate::SchemaSettings;

use super::{FileIntegrity, FileIntegrityNodeStatus, GROUP, VERSION};

/// A schema that cannot be said in the API's terms. A defect of the types, found by the tests.
#[derive(Debug, thiserror::Error)]
#[error("turn the schema of FileIntegrityNodeStatus into an API schema")]
pub struct SchemaError(#[from] serde_json::Error);

/// Both definitions, in the order in which they are printed.
pub fn all() -> Result<[CustomResourceDefinition; 2], SchemaError> {
    Ok([FileIntegrity::crd(), node_status()?])
}

/// Written out by hand because the derive macro knows only kinds with a spec.
fn node_status() -> Result<CustomResourceDefinition, SchemaError> {
    let plural = FileIntegrityNodeStatus::plural(&()).into_owned();
    Ok(CustomResourceDefinition {
        metadata: kube::core::ObjectMeta {
            name: Some(format!("{plural}.{GROUP}")),
            ..Default::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                kind: FileIntegrityNodeStatus::kind(&()).into_owned(),
                list_kind: Some("FileIntegrityNodeStatusList".to_owned()),
                plural,
                singular: Some("fileintegritynodestatus".to_owned()),
                ..Default::default()
            },
            scope: "Namespaced".to_owned(),
            versions: vec![CustomResourceDefinitionVersion {
                name: VERSION.to_owned(),
                served: true,
                storage: true,
                additional_printer_columns: Some(node_status_columns()),
                schema: Some(CustomResourceValidation {
                    open_api_v3_schema: Some(node_status_schema()?),
                }),
                ..Default::default()
            }],
            ..Default::default()
        },
        status: None,
    })
}

fn node_status_schema() -> Result<
    k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps,
    SchemaError,
> {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(StructuralSchemaRewriter)
        .into_generator();
    let schema = generator.into_root_schema_for::<FileIntegrityNodeStatus>();
    Ok(serde_json::from_value(schema.to_value())?)
}

fn node_status_columns() -> Vec<CustomResourceColumnDefinition> {
    [
        ("Node", ".nodeName", "string"),
        ("Status", ".lastResult.condition", "string"),
        ("Last Probe", ".lastResult.lastProbeTime", "date"),
        ("Added", ".lastResult.filesAdded", "integer"),
        ("Changed", ".lastResult.filesChanged", "integer"),
        ("Removed", ".lastResult.filesRemoved", "integer"),
    ]
    .map(|(name, json_path, type_)| CustomResourceColumnDefinition {
        name: name.to_owned(),
        json_path: json_path.to_owned(),
        type_: type_.to_owned(),
        ..Default::default()
    })
    .to_vec()
}

/// Both definitions as YAML documents, the text of manifests/crd/crds.yaml.
pub fn yaml() -> Result<String, CrdYamlError> {
    let mut text =
        String::from("# Printed by `fio crd` from the Rust types; `make crd` renews it.\n");
    for definition in all()? {
        text.push_str("---\n");
        // Through a JSON value, so that absent fields are left out and the keys are sorted.
        let value = serde_json::to_value(&definition).map_err(SchemaError)?;
        text.push_str(&serde_saphyr::to_string(&value)?);
    }
    Ok(text)
}

/// Why the definitions could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdYamlError {
    /// The schema cannot be said in the API's terms.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// YAML cannot say it.
    #[error("print the definitions as YAML")]
    Yaml(#[from] serde_saphyr::ser_error::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_in_the_checkout_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crd/crds.yaml");
        let manifest = std::fs::read_to_string(path).unwrap();
        assert!(
            manifest == yaml().unwrap(),
            "{path} is not what fio crd prints; run make crd"
        );
    }
}
