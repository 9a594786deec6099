"""How any room speaks HTTP: who may, strict bodies, problems, pages, health; knows no room."""
