//! A policy file as an orchestrator mounts it: behind two links, of which the inner one is turned to another folder
//! when the content changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use uuid::Uuid;

/// A mounted policy file; gone when it is dropped.
pub struct PolicyFile {
    folder: PathBuf,
    path: String,
}

impl PolicyFile {
    /// Mounts a policy.
    pub fn mounted(text: &str) -> Self {
        let name = format!("prynai-policy-{}", Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a folder is made");
        let path = folder.join("policy.toml");
        symlink("..data/policy.toml", &path).expect("a link is made");
        let path = path.to_str().expect("is UTF-8").to_owned();
        let file = Self { folder, path };
        file.exchange(text);
        file
    }

    /// Where gateways find it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Exchanges it for another at once.
    pub fn exchange(&self, text: &str) {
        let data = self.folder.join(Uuid::new_v4().simple().to_string());
        fs::create_dir(&data).expect("a folder is made");
        fs::write(data.join("policy.toml"), text).expect("is written");
        let turned = self.folder.join("..data.new");
        symlink(&data, &turned).expect("a link is made");
        fs::rename(&turned, self.folder.join("..data")).expect("a link is turned");
    }

    /// Takes it away.
    pub fn remove(&self) {
        fs::remove_file(self.folder.join("..data")).expect("a link is removed");
    }
}

impl Drop for PolicyFile {
    fn drop(&mut self) {
        // A folder of temporary files may be left.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
