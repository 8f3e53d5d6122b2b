//! Names, ids, removal and clean-up.

use isolde_image::{Freed, Image, ImageError, IntakeError, RootTree, Store};

use crate::rig::{Oci, Place};

fn take(place: &Place, text: &str, name: Option<&str>) -> Image {
    let file = place.file("image.tar", &Oci::good(text).archive());
    isolde_image::add_image(&place.store, &file, name).unwrap()
}

fn found(store: &Store, name: &str) -> Option<String> {
    store.find_image(name).unwrap().map(|image| image.id)
}

#[test]
fn a_name_means_one_image() {
    let place = Place::new();
    let one = take(&place, "one", Some("app"));
    assert_eq!(one.names, ["app:latest"]);
    for name in ["app", "app:latest", "docker.io/library/app:latest", &one.id, &one.id[..6]] {
        assert_eq!(found(&place.store, name), Some(one.id.clone()), "{name}");
    }
    let digest = format!("sha256:{}", one.id);
    assert_eq!(found(&place.store, &digest), Some(one.id.clone()));
    for name in ["app:2", "other/app", &one.id[..5], "", "../images", "ü"] {
        assert_eq!(found(&place.store, name), None, "{name}");
    }
    let two = take(&place, "two", Some("app"));
    assert_eq!(found(&place.store, "app"), Some(two.id));
    assert!(place.store.find_image(&one.id).unwrap().unwrap().names.is_empty());
}

#[test]
fn removal_takes_what_nothing_else_needs() {
    let place = Place::new();
    let one = take(&place, "one", Some("one"));
    take(&place, "one", Some("uno"));
    let two = take(&place, "two", Some("two"));
    let refused = place.store.remove_images(&["two".into(), "three".into()]).unwrap_err();
    assert!(refused.to_string().contains("no image three"), "{refused}");
    assert!(found(&place.store, "two").is_some(), "all or nothing");

    // One of two names goes, and with the other the image.
    let removed = place.store.remove_images(&["one".into()]).unwrap();
    assert!(removed.images.is_empty());
    assert!(place.store.layer(&one.layers[0]).exists());
    let removed = place.store.remove_images(&["uno".into()]).unwrap();
    assert_eq!(removed.images.len(), 1);
    assert_eq!(removed.freed.unwrap().layers, 1);
    assert!(!place.store.layer(&one.layers[0]).exists());
    assert!(place.store.layer(&two.layers[0]).exists());
}

#[test]
fn a_clean_up_spares_what_is_in_use() {
    let place = Place::new();
    let image = take(&place, "one", Some("one"));
    let hold = place.store.hold().unwrap();
    // As another process has it.
    let other = Store::open(&place.path("cache")).unwrap();
    let refused = other.prune(true).unwrap_err();
    assert!(matches!(refused, ImageError::Intake(IntakeError::InUse { .. })), "{refused}");
    assert!(other.clear().is_err());
    // The record goes, the layers stay.
    assert_eq!(other.remove_images(&["one".into()]).unwrap().freed, None);
    assert!(place.store.layer(&image.layers[0]).exists());
    drop(hold);
    let freed = other.prune(false).unwrap();
    assert_eq!((freed.images.len(), freed.layers, freed.forms), (0, 1, 0));
    assert!(freed.bytes > 0);
    assert_eq!(other.prune(false).unwrap(), Freed::default());
}

#[test]
fn forms_go_with_their_image_and_others_stay() {
    let place = Place::new();
    let agent = place.file("agent", b"agent");
    let agent = std::path::Path::new(&agent);
    let image = take(&place, "one", Some("one"));
    let own = place.store.tar(&RootTree::new(agent).unwrap()).unwrap();
    let of_image = RootTree::of_image(agent, &image, &place.store).unwrap();
    let made = place.store.tar(&of_image).unwrap();
    let usage = place.store.usage();
    assert_eq!(usage.forms.len(), 1);
    assert_eq!(usage.forms[0].layers, image.layers);
    assert_eq!(usage.forms[0].kind, "tar");
    assert!(usage.bytes > image.bytes);
    let removed = place.store.remove_images(&["one".into()]).unwrap();
    assert_eq!(removed.freed.unwrap().forms, 1);
    assert!(!made.exists());
    assert!(own.exists());
    let freed = place.store.prune(true).unwrap();
    assert_eq!(freed.images.len(), 0);
    assert!(!own.exists());
}

#[test]
fn of_one_image_the_forms_that_were_used_last_stay() {
    let place = Place::new();
    let image = take(&place, "one", Some("one"));
    let tree = |agent: &str| {
        let agent = place.file(agent, agent.as_bytes());
        RootTree::of_image(std::path::Path::new(&agent), &image, &place.store).unwrap()
    };
    let (old, new) = (tree("old agent"), tree("new agent"));
    let form = |tree: &RootTree| place.store.tar(tree).unwrap();
    let own = place.file("agent", b"agent");
    let own = form(&RootTree::new(std::path::Path::new(&own)).unwrap());
    let (first, second) = (form(&new), form(&old));
    // The first is used again.
    assert_eq!(form(&new), first);
    let freed = place.store.prune(false).unwrap();
    assert_eq!((freed.layers, freed.forms), (0, 1));
    assert!(first.exists() && own.exists() && !second.exists());
}

#[test]
fn with_all_everything_goes() {
    let place = Place::new();
    let image = take(&place, "one", None);
    let freed = place.store.prune(true).unwrap();
    assert_eq!(freed.images, [image.id]);
    assert_eq!(place.cached(), Vec::<String>::new());
}

#[test]
fn several_at_once_end_in_one_image_with_all_names() {
    let place = Place::new();
    let file = place.file("image.tar", &Oci::good("one").archive());
    let names = ["a:1", "b:1", "c:1", "d:1"];
    std::thread::scope(|scope| {
        for name in names {
            // Each with a store of its own, as processes have.
            let store = Store::open(&place.path("cache")).unwrap();
            let file = &file;
            scope.spawn(move || isolde_image::add_image(&store, file, Some(name)).unwrap());
        }
    });
    let images = place.store.images();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].names, names);
    assert_eq!(place.cached().len(), 2, "a layer and a record: {:?}", place.cached());
}
