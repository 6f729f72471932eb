//! The registry as programs get it: of `--json`, and of the API.

use super::{Judgement, Proto, Registry, Service};
use crate::policy::Origin;
use serde::Serialize;
use std::net::IpAddr;
use utoipa::ToSchema;

/// A service of the registry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
pub struct ServiceJson {
    pub name: String,
    pub proto: Proto,
    pub port: u16,
    #[schema(value_type = String)]
    pub bind: IpAddr,
    pub owner: Option<String>,
    pub connector: Option<String>,
    pub container: Option<String>,
    pub program: Option<String>,
    pub note: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
}

impl ServiceJson {
    pub fn of(service: &Service) -> Self {
        let (file, line) = match &service.origin {
            Origin::File { path, line, .. } => (Some(path.display().to_string()), Some(*line)),
            Origin::BuiltIn(_) | Origin::Flag(_) => (None, None),
        };
        Self {
            name: service.name.to_string(),
            proto: service.proto,
            port: service.port.get(),
            bind: service.bind,
            owner: service.owner.clone(),
            connector: service.connector.clone(),
            container: service.container.clone(),
            program: service.program.clone(),
            note: service.note.clone(),
            file,
            line,
        }
    }
}

/// Ports that one connector alone may publish.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reserved)]
pub struct ReservedJson {
    pub connector: String,
    pub first: u16,
    pub last: u16,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegistryPolicy)]
pub struct PolicyJson {
    pub unregistered: Judgement,
    pub non_loopback: Judgement,
}

/// All that the registry says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registry)]
pub struct Report {
    pub services: Vec<ServiceJson>,
    pub reserved: Vec<ReservedJson>,
    pub policy: PolicyJson,
    /// How many requests wait for an answer.
    pub pending: usize,
}

impl Report {
    pub fn of(registry: &Registry, pending: usize) -> Self {
        let reserved = registry.reserved.iter().map(|it| ReservedJson {
            connector: it.connector.clone(),
            first: it.range.first(),
            last: it.range.last(),
        });
        let policy = registry.policy;
        Self {
            services: registry.services.iter().map(ServiceJson::of).collect(),
            reserved: reserved.collect(),
            policy: PolicyJson {
                unregistered: policy.unregistered,
                non_loopback: policy.non_loopback,
            },
            pending,
        }
    }
}
