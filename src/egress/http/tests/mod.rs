mod body;
mod head;
mod inject;
mod proxy;
mod refusals;
mod rig;
mod smuggling;
