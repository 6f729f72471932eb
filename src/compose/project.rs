//! A project out of its files: variables, `extends`, `include`, and the merge of all. Pure but for the
//! reader that is given.

use super::interpolate::{self, Variables};
use super::node::{Entry, Node, Spot, Value};
use super::yaml::{self, Comment};
use super::{dotenv, environment, included, merge, paths};
use crate::failure::{Failure, Kind};
use crate::policy::Problem;
use crate::policy::expect::quoted;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that one project may be made of.
const MAX_FILES: usize = 100;
/// Services that extend one another, files that include one another.
const MAX_CHAIN: usize = 32;
/// Keys and values of all services that extend others.
const MAX_NODES: usize = 300_000;

/// Reads at most so many bytes of a file, and one more where there are more.
pub type Reader<'a> = &'a dyn Fn(&Path, usize) -> io::Result<Vec<u8>>;

/// What is to be read.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In the order of the merge.
    pub files: Vec<PathBuf>,
    /// In the place of `.env`.
    pub env_files: Vec<PathBuf>,
    /// The environment.
    pub variables: Variables,
    pub home: Option<PathBuf>,
}

/// What the files say together.
#[derive(Debug)]
pub struct Loaded {
    pub root: Node,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    pub comments: Vec<Comment>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Variables that were not set, each with its first use.
    pub unset: BTreeMap<String, Spot>,
}

/// Why there is nothing to judge.
#[derive(Debug, Clone)]
pub enum Rejection {
    Unreadable(Failure),
    Wrong(Vec<Problem>),
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::Wrong(vec![problem])
    }
}

/// Reads and merges.
pub fn load(request: &Request, reader: Reader<'_>) -> Result<Loaded, Rejection> {
    let folder = request.files.first().and_then(|file| file.parent()).unwrap_or(Path::new("."));
    let mut loader = Loader {
        reader,
        home: request.home.clone(),
        comments: Vec::new(),
        files: Vec::new(),
        unset: BTreeMap::new(),
        nodes: 0,
        including: Vec::new(),
    };
    let variables = loader.variables(folder, &request.env_files, &request.variables)?;
    let mut root = loader.project(&request.files, folder, &variables)?;
    merge::settle(&mut root);
    super::canonical::canonical(&mut root)?;
    let home = request.home.as_deref();
    environment::fill(&mut root, (folder, home), &variables, reader)?;
    paths::project(&mut root, folder, home);
    let Loader { comments, files, unset, .. } = loader;
    Ok(Loaded { root, folder: folder.to_owned(), comments, files, unset })
}

struct Loader<'a> {
    reader: Reader<'a>,
    home: Option<PathBuf>,
    comments: Vec<Comment>,
    files: Vec<PathBuf>,
    unset: BTreeMap<String, Spot>,
    nodes: usize,
    including: Vec<PathBuf>,
}

/// A file's services while `extends` is followed.
struct Extending<'a> {
    variables: &'a Variables,
    /// What is being resolved: file and service.
    chain: Vec<(PathBuf, String)>,
    /// Files that services are taken from.
    others: BTreeMap<PathBuf, Node>,
}

impl Loader<'_> {
    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Rejection> {
        (self.reader)(path, most).map_err(|error| {
            let what = format!("cannot read {}", path.display());
            Rejection::Unreadable(Failure::new(Kind::Io, what).because(error))
        })
    }

    /// The environment, and below it the files of variables.
    fn variables(
        &self,
        folder: &Path,
        files: &[PathBuf],
        known: &Variables,
    ) -> Result<Variables, Rejection> {
        let own = folder.join(".env");
        let mut found = Variables::new();
        for (file, wanted) in
            files.iter().map(|file| (file, true)).chain(files.is_empty().then_some((&own, false)))
        {
            let bytes = match (self.reader)(file, dotenv::MAX_BYTES) {
                Err(error) if !wanted && error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let what = format!("cannot read {}", file.display());
                    return Err(Rejection::Unreadable(Failure::new(Kind::Io, what).because(error)));
                }
                Ok(bytes) => bytes,
            };
            found.extend(dotenv::read(file, &bytes, known)?);
        }
        found.extend(known.clone());
        if !found.contains_key("COMPOSE_PROJECT_NAME") {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let name = name.chars().filter(fits).collect();
            found.insert("COMPOSE_PROJECT_NAME".to_owned(), name);
        }
        Ok(found)
    }

    /// Files that belong together, merged.
    fn project(
        &mut self,
        files: &[PathBuf],
        folder: &Path,
        variables: &Variables,
    ) -> Result<Node, Rejection> {
        let start = Spot { file: Arc::from(folder), line: 1, column: 1 };
        let mut whole = Node::new(Value::Null, &start);
        for file in files {
            for mut document in self.documents(file, variables)? {
                if document.is_null() {
                    continue;
                }
                self.extends(&mut document, file, variables)?;
                self.include(&mut document, folder, variables)?;
                merge::merge(&mut whole, document, &mut Vec::new())?;
            }
        }
        Ok(whole)
    }

    /// A file's documents with their variables put in.
    fn documents(&mut self, path: &Path, variables: &Variables) -> Result<Vec<Node>, Rejection> {
        let bytes = self.read(path, yaml::MAX_BYTES)?;
        if self.files.len() >= MAX_FILES {
            let what = format!("a project has at most {MAX_FILES} files");
            return Err(start_of(path).problem("", what).into());
        }
        let file = yaml::read(path, &bytes)?;
        // A file that is read again, for `extends`, says nothing new.
        if !self.files.iter().any(|known| known == path) {
            self.comments.extend(file.comments);
        }
        self.files.push(path.to_owned());
        let mut documents = file.documents;
        if documents.iter().all(Node::is_null) {
            return Err(start_of(path).problem("", "the file is empty").into());
        }
        for document in &mut documents {
            if !document.is_null() && !matches!(document.value, Value::Map(_)) {
                let what = format!("a compose file is a mapping, not {}", document.kind());
                return Err(document.spot.problem("", what).into());
            }
            interpolate::tree(document, "", variables, &mut self.unset)?;
        }
        Ok(documents)
    }

    /// Follows every `extends` of a document.
    fn extends(
        &mut self,
        document: &mut Node,
        file: &Path,
        variables: &Variables,
    ) -> Result<(), Rejection> {
        let Some(services) = document.get("services") else { return Ok(()) };
        let extending = |entry: &&Entry| entry.value.get("extends").is_some();
        let names: Vec<String> =
            services.entries().iter().filter(extending).map(|entry| entry.key.clone()).collect();
        let mut state = Extending { variables, chain: Vec::new(), others: BTreeMap::new() };
        for name in names {
            let resolved = self.extended(document, file, &name, &mut state)?;
            if let Some(service) = document.get_mut("services").and_then(|all| all.get_mut(&name)) {
                *service = resolved;
            }
        }
        Ok(())
    }

    /// A service with what it extends.
    fn extended(
        &mut self,
        document: &Node,
        file: &Path,
        name: &str,
        state: &mut Extending<'_>,
    ) -> Result<Node, Rejection> {
        let service = document.get("services").and_then(|services| services.get(name));
        let Some(service) = service else {
            let what = format!("there is no service {} to extend", quoted(name));
            return Err(start_of(file).problem("services", what).into());
        };
        self.afford(service)?;
        let mut own = service.clone();
        let Some(Entry { value: extends, .. }) = own.remove("extends") else { return Ok(own) };
        let field = format!("services.{name}.extends");
        let this = (file.to_owned(), name.to_owned());
        let base_name = based_on(&extends, &this, &state.chain, &field)?;
        state.chain.push(this);
        let other = extends.get("file").and_then(Node::text);
        let base = match other.map(|other| paths::join(file.parent(), other, self.home.as_deref()))
        {
            Some(other) if other != file => self.foreign(&other, base_name, state)?,
            _ => {
                let known = document.get("services").and_then(|services| services.get(base_name));
                if known.is_none() {
                    let what = format!("there is no service {} to extend", quoted(base_name));
                    return Err(extends.spot.problem(&field, what).into());
                }
                self.extended(document, file, base_name, state)?
            }
        };
        state.chain.pop();
        let mut merged = base;
        self.afford(&merged)?;
        merge::merge(&mut merged, own, &mut vec!["services".to_owned(), name.to_owned()])?;
        Ok(merged)
    }

    /// A service of another file, whose relative paths start there.
    fn foreign(
        &mut self,
        file: &Path,
        name: &str,
        state: &mut Extending<'_>,
    ) -> Result<Node, Rejection> {
        let document = match state.others.get(file) {
            Some(document) => document.clone(),
            None => {
                let mut whole = Node::new(Value::Null, &start_of(file));
                for document in self.documents(file, state.variables)? {
                    merge::merge(&mut whole, document, &mut Vec::new())?;
                }
                state.others.insert(file.to_owned(), whole.clone());
                whole
            }
        };
        self.afford(&document)?;
        let mut service = self.extended(&document, file, name, state)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        paths::service(&mut service, folder, self.home.as_deref());
        Ok(service)
    }

    /// Copies are made of what a service extends: bounded before.
    fn afford(&mut self, node: &Node) -> Result<(), Problem> {
        self.nodes += count(node);
        if self.nodes > MAX_NODES {
            let what = format!("services that extend others have more than {MAX_NODES} values");
            return Err(node.spot.problem("services", what));
        }
        Ok(())
    }

    /// Takes in what a document includes.
    fn include(
        &mut self,
        document: &mut Node,
        folder: &Path,
        variables: &Variables,
    ) -> Result<(), Rejection> {
        let Some(Entry { value: include, .. }) = document.remove("include") else { return Ok(()) };
        for (number, item) in include.items().iter().enumerate() {
            let field = format!("include[{number}]");
            let texts = |node: &Node| -> Vec<String> {
                let all = node.items().iter().chain(node.text().is_some().then_some(node));
                all.filter_map(Node::text).map(str::to_owned).collect()
            };
            let home = self.home.clone();
            let place = |path: &String| paths::join(Some(folder), path, home.as_deref());
            let files = item.get("path").map_or_else(|| texts(item), texts);
            let files: Vec<PathBuf> = files.iter().map(place).collect();
            let Some(first) = files.first() else {
                return Err(item.spot.problem(&field, "expected a path").into());
            };
            if self.including.contains(first) || self.including.len() >= MAX_CHAIN {
                return Err(item.spot.problem(&field, "the file includes itself").into());
            }
            let own = item.get("project_directory").and_then(Node::text).map(str::to_owned);
            let own = own.as_ref().map(place);
            let own = own.as_deref().or(first.parent()).unwrap_or(Path::new("."));
            let env: Vec<PathBuf> =
                item.get("env_file").map(texts).unwrap_or_default().iter().map(place).collect();
            let variables = self.variables(own, &env, variables)?;
            self.including.push(first.clone());
            let mut others = self.project(&files, own, &variables)?;
            self.including.pop();
            merge::settle(&mut others);
            super::canonical::align(&mut others, &mut Vec::new());
            paths::project(&mut others, own, self.home.as_deref());
            included::import(document, others, &field)?;
        }
        Ok(())
    }
}

/// The service that another one extends, unless it extends itself by that.
fn based_on<'a>(
    extends: &'a Node,
    this: &(PathBuf, String),
    chain: &[(PathBuf, String)],
    field: &str,
) -> Result<&'a str, Problem> {
    if chain.contains(this) {
        return Err(extends.spot.problem(field, "the service extends itself"));
    }
    if chain.len() >= MAX_CHAIN {
        let what = format!("more than {MAX_CHAIN} services extend one another");
        return Err(extends.spot.problem(field, what));
    }
    extends.text().or_else(|| extends.get("service")?.text()).ok_or_else(|| {
        let what = "expected the name of a service, or `service` and `file`";
        extends.spot.problem(field, what)
    })
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(_) => 1,
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|it| count(&it.value)).sum::<usize>(),
    }
}

fn start_of(path: &Path) -> Spot {
    Spot { file: Arc::from(path), line: 1, column: 1 }
}
