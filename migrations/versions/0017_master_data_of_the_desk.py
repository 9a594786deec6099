"""Master data of the desk."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("""
CREATE INDEX "age_group_definitions_by_name" ON "age_group_definitions" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "compass_axes_by_name" ON "compass_axes" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "archetype_definitions_by_name" ON "archetype_definitions" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "echo_type_definitions_by_name" ON "echo_type_definitions" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "fantasy_theme_definitions_by_name" ON "fantasy_theme_definitions" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
ALTER TABLE "badges" ADD COLUMN "image" text COLLATE "C"
    """)
    op.execute("""
CREATE INDEX "badges_by_axis" ON "badges" ("axis" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "badges_by_image" ON "badges" ("image" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "badges_by_name" ON "badges" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "badge_images" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "media" text COLLATE "C",
    "alt" text COLLATE "C",
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "badge_images_by_leaf" ON "badge_images" (_leaf)
    """)
    op.execute("""
CREATE INDEX "badge_images_by_name" ON "badge_images" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "badge_images_by_media" ON "badge_images" ("media" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "badge_images" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('BadgeImages')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "badge_images" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('BadgeImages')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "badge_images" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('BadgeImages')
    """)
    op.execute("""
CREATE TABLE "badge_configurations" (
    "id" text COLLATE "C" NOT NULL,
    "age_group" text COLLATE "C",
    "axis" text COLLATE "C",
    "name" text COLLATE "C",
    "message" text COLLATE "C",
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "badge_configurations_by_leaf" ON "badge_configurations" (_leaf)
    """)
    op.execute("""
CREATE INDEX "badge_configurations_by_age_group" ON "badge_configurations" ("age_group" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "badge_configurations_by_axis" ON "badge_configurations" ("axis" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "badge_configurations_by_name" ON "badge_configurations" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "badge_configurations" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('BadgeConfigurations')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "badge_configurations" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('BadgeConfigurations')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "badge_configurations" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('BadgeConfigurations')
    """)
    op.execute("""
CREATE TABLE "axis_achievements" (
    "id" text COLLATE "C" NOT NULL,
    "age_group" text COLLATE "C",
    "axis" text COLLATE "C",
    "direction" text COLLATE "C",
    "name" text COLLATE "C",
    "description" text COLLATE "C",
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "axis_achievements_by_leaf" ON "axis_achievements" (_leaf)
    """)
    op.execute("""
CREATE INDEX "axis_achievements_by_age_group" ON "axis_achievements" ("age_group" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "axis_achievements_by_axis" ON "axis_achievements" ("axis" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "axis_achievements_by_name" ON "axis_achievements" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "axis_achievements" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AxisAchievements')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "axis_achievements" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('AxisAchievements')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "axis_achievements" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AxisAchievements')
    """)
    op.execute("""
CREATE TABLE "character_maps" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "image" text COLLATE "C",
    "audio" text COLLATE "C",
    "species" text COLLATE "C",
    "age" bigint,
    "roles" jsonb,
    "archetypes" jsonb,
    "traits" jsonb,
    "backstory" text COLLATE "C",
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "character_maps_by_leaf" ON "character_maps" (_leaf)
    """)
    op.execute("""
CREATE INDEX "character_maps_by_name" ON "character_maps" ("name" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "character_maps_by_image" ON "character_maps" ("image" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "character_maps" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMaps')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "character_maps" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('CharacterMaps')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "character_maps" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMaps')
    """)
    op.execute("""
CREATE TABLE "character_map_files" (
    "id" text COLLATE "C" NOT NULL,
    "characters" jsonb,
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "character_map_files_by_leaf" ON "character_map_files" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "character_map_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMapFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "character_map_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('CharacterMapFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "character_map_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMapFiles')
    """)
    op.execute("""
CREATE TABLE "avatar_configuration_files" (
    "id" text COLLATE "C" NOT NULL,
    "avatars" jsonb,
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "avatar_configuration_files_by_leaf" ON "avatar_configuration_files" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "avatar_configuration_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AvatarConfigurationFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "avatar_configuration_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('AvatarConfigurationFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "avatar_configuration_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AvatarConfigurationFiles')
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "avatar_configuration_files"
    """)
    op.execute("""
DROP TABLE "character_map_files"
    """)
    op.execute("""
DROP TABLE "character_maps"
    """)
    op.execute("""
DROP TABLE "axis_achievements"
    """)
    op.execute("""
DROP TABLE "badge_configurations"
    """)
    op.execute("""
DROP TABLE "badge_images"
    """)
    op.execute("""
DROP INDEX "badges_by_name"
    """)
    op.execute("""
DROP INDEX "badges_by_image"
    """)
    op.execute("""
DROP INDEX "badges_by_axis"
    """)
    op.execute("""
ALTER TABLE "badges" DROP COLUMN "image"
    """)
    op.execute("""
DROP INDEX "fantasy_theme_definitions_by_name"
    """)
    op.execute("""
DROP INDEX "echo_type_definitions_by_name"
    """)
    op.execute("""
DROP INDEX "archetype_definitions_by_name"
    """)
    op.execute("""
DROP INDEX "compass_axes_by_name"
    """)
    op.execute("""
DROP INDEX "age_group_definitions_by_name"
    """)
