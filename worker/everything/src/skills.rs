//! A skill (SEP-2640, the extension `io.modelcontextprotocol/skills`): how to try out this server. Its files are part
//! of the program, so that every worker of one release serves the same bytes under the same digests.

use rmcp::ErrorData;
use rmcp::model::{
    DIRECTORY_MIME_TYPE, GetSkillResult, ListSkillsResult, ReadResourceDirectoryResult, Resource,
    ResourceContents, Skill, SkillFrontmatter, SkillResource, SkillResources,
};

const ROOT: &str = "skill://demo-skill";
const SKILL_URI: &str = "skill://demo-skill/SKILL.md";
const SCRIPTS: &str = "skill://demo-skill/scripts";
const SCRIPT_URI: &str = "skill://demo-skill/scripts/run.sh";

const NAME: &str = "demo-skill";
const DESCRIPTION: &str = "Try out the PrynAI reference server, one kind of tool after the other, and tell what came back";
const LICENSE: &str = "MIT OR Apache-2.0";

const SKILL_MD: &str = include_str!("../skills/demo-skill/SKILL.md");
const SCRIPT: &str = include_str!("../skills/demo-skill/scripts/run.sh");

const MARKDOWN: &str = "text/markdown";
const SHELL: &str = "application/x-sh";

/// The answer to `skills/list`.
pub fn list() -> ListSkillsResult {
    ListSkillsResult::with_all_items(vec![skill()])
}

/// The answer to `skills/get`.
///
/// # Errors
///
/// -32602 when there is no skill of this URI.
pub fn get(uri: &str) -> Result<GetSkillResult, ErrorData> {
    match uri {
        SKILL_URI => Ok(GetSkillResult::new(skill())),
        _ => {
            let reason = format!("no skill is served at {uri}");
            Err(ErrorData::invalid_params(reason, None))
        }
    }
}

/// The answer to `resources/directory/read`.
///
/// # Errors
///
/// -32602 when the URI names no directory.
pub fn directory(uri: &str) -> Result<ReadResourceDirectoryResult, ErrorData> {
    let children = match uri {
        ROOT => vec![
            resource(),
            Resource::new(SCRIPTS, "scripts").with_mime_type(DIRECTORY_MIME_TYPE),
        ],
        SCRIPTS => vec![
            Resource::new(SCRIPT_URI, "run.sh")
                .with_mime_type(SHELL)
                .with_size(size(SCRIPT)),
        ],
        _ => {
            let reason = format!("{uri} is not a directory resource");
            return Err(ErrorData::invalid_params(reason, None));
        }
    };
    Ok(ReadResourceDirectoryResult::with_all_items(children))
}

/// The entry of the skill in `resources/list`.
pub fn resource() -> Resource {
    Resource::new(SKILL_URI, NAME)
        .with_title("Demo skill")
        .with_description(DESCRIPTION)
        .with_mime_type(MARKDOWN)
        .with_size(size(SKILL_MD))
}

/// A file of the skill; `None` when the URI names none.
pub fn read(uri: &str) -> Option<ResourceContents> {
    let (text, mime_type) = match uri {
        SKILL_URI => (SKILL_MD, MARKDOWN),
        SCRIPT_URI => (SCRIPT, SHELL),
        _ => return None,
    };
    Some(ResourceContents::text(text, uri).with_mime_type(mime_type))
}

fn skill() -> Skill {
    let files = [(SKILL_URI, SKILL_MD), (SCRIPT_URI, SCRIPT)];
    let files = files.map(|(uri, text)| SkillResource::from_bytes(uri, text.as_bytes()));
    Skill::new(
        SKILL_URI,
        SkillFrontmatter::new(NAME, DESCRIPTION).with_field("license", LICENSE),
        SkillResources::Files(files.into()),
    )
}

fn size(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts compare the two, and do not load a skill of which they differ (Integrity and Verification, Frontmatter
    /// Verification).
    #[test]
    fn the_entry_says_what_the_file_says() {
        let written = format!("name: {NAME}\ndescription: {DESCRIPTION}\nlicense: {LICENSE}");
        let head = SKILL_MD.strip_prefix("---\n").expect("a frontmatter");
        let (head, _) = head.split_once("\n---\n").expect("an end of it");
        assert_eq!(head, written);
        skill().validate().expect("a valid skill");
    }

    #[test]
    fn what_a_directory_lists_can_be_read_and_matches_the_entry() {
        let SkillResources::Files(files) = skill().resources else {
            panic!("the files are known");
        };
        let mut directories = vec![ROOT.to_owned()];
        let mut found = Vec::new();
        while let Some(uri) = directories.pop() {
            for child in directory(&uri).expect("a directory").resources {
                if child.is_directory() {
                    directories.push(child.uri);
                    continue;
                }
                let Some(ResourceContents::TextResourceContents { text, .. }) = read(&child.uri)
                else {
                    panic!("{} is no text", child.uri);
                };
                assert_eq!(child.size, Some(size(&text)));
                let entry = files.iter().find(|file| file.uri == child.uri);
                let entry = entry.expect("is in the entry");
                entry.verify(text.as_bytes()).expect("the same bytes");
                found.push(child.uri);
            }
        }
        assert_eq!(found.len(), files.len());
        assert!(directory(SKILL_URI).is_err());
        assert!(get(ROOT).is_err());
    }
}
